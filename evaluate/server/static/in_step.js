/** Two videos in step: the first leads, the second follows the line of the matched span. */

const FAR_SECONDS = 0.3; // beyond it both wait while the follower seeks
const CLOSE_SECONDS = 0.02; // within it nothing is nudged
const GAIN = 2; // share of a drift that is taken back in a second of playback
const MOST_NUDGE = 0.35; // of the speed, of the side that is not heard

/** @typedef {{start: [number, number], end: [number, number]}} Span seconds in the leader and in the follower */

/** Follower's seconds for each of the leader's. @param {Span} span */
export function speedOf(span) {
  const length = span.end[0] - span.start[0];
  return length > 0 && span.end[1] > span.start[1] ? (span.end[1] - span.start[1]) / length : 1;
}

/** The follower's moment at the leader's moment t, on the line of the span; both in seconds. */
export const follow = (span, t) => span.start[1] + (t - span.start[0]) * speedOf(span);

/** The leader's moment at the follower's moment t. */
export const lead = (span, t) => span.start[0] + (t - span.start[1]) / speedOf(span);

export class InStep {
  /**
   * @param {[import("./clip.js").Clip, import("./clip.js").Clip]} clips leader and follower
   * @param {Span[]} spans at least one
   * @param {(player: InStep) => void} onTick called at each frame of the screen
   */
  constructor(clips, spans, onTick) {
    Object.assign(this, { clips, spans, onTick, at: 0, rate: 1, isPlaying: false, isOpen: true });
    this.setSounding(0);
    const tick = () => {
      if (!this.isOpen) return;
      this.tick();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  /** End: nothing is heard or called afterwards. */
  close() {
    this.isOpen = false;
    this.pause();
  }

  get span() { return this.spans[this.at]; }

  /** Moments of both in seconds. */
  get times() { return this.clips.map((clip) => clip.seconds); }

  /** Go to a moment of the leader, on a span; @param {number} t seconds @param {number} [at] number of the span */
  seek(t, at = this.spanAt(t)) {
    this.at = at;
    const [leader, follower] = this.clips, to = Math.min(Math.max(0, t), leader.length);
    leader.seconds = to;
    follower.seconds = within(follower, follow(this.span, to));
  }

  play() {
    if (this.clips[0].element.ended) this.seek(this.spans[0].start[0], 0);
    this.isPlaying = true;
  }

  pause() {
    this.isPlaying = false;
    this.halt();
  }

  halt() { this.clips.forEach(({ element }) => element.pause()); }

  /** @param {number} side 0 or 1: the one that sounds */
  setSounding(side) {
    this.sounding = side;
    this.clips.forEach(({ element }, i) => { element.muted = i !== side; });
  }

  /** The span that holds a moment of the leader: the present one if it does, else the first, else the present one. */
  spanAt(t) {
    const holds = (span) => span.start[0] <= t && t < span.end[0];
    if (holds(this.span)) return this.at;
    const found = this.spans.findIndex(holds);
    return found < 0 ? this.at : found;
  }

  tick() {
    const [leader, follower] = this.clips;
    this.at = this.spanAt(leader.seconds);
    this.onTick(this);
    if (!this.isPlaying) return;
    if (leader.element.ended && !leader.goOn()) return this.pause();
    const target = follow(this.span, leader.seconds), held = within(follower, target), drift = follower.seconds - held;
    const isOver = Math.abs(held - target) > 0.05; // the follower has no such moment: its first or last frame stays
    if (!follower.isBroken && !follower.element.seeking && follower.element.readyState > 0 && Math.abs(drift) > FAR_SECONDS) {
      this.halt();
      follower.seconds = held;
    } else if (!this.clips.every(isReady)) {
      this.halt();
    } else {
      this.run(leader);
      if (isOver) follower.element.pause();
      else this.run(follower);
      this.nudge(isOver ? 0 : drift);
    }
  }

  /** Take a small drift back by the speed of the side that does not sound. @param {number} drift seconds of the follower */
  nudge(drift) {
    const speed = speedOf(this.span);
    const nudge = Math.abs(drift) < CLOSE_SECONDS ? 0 : Math.min(Math.max(-GAIN * drift, -MOST_NUDGE), MOST_NUDGE);
    const rates = this.sounding === 1 ? [this.rate * (1 - nudge), this.rate * speed] : [this.rate, this.rate * speed * (1 + nudge)];
    this.clips.forEach(({ element }, i) => {
      const rate = Math.min(Math.max(rates[i], 0.07), 16); // what browsers take
      if (Math.abs(element.playbackRate - rate) > 0.005) element.playbackRate = rate;
    });
  }

  run({ element, isBroken }) {
    if (element.paused && !element.ended && !isBroken) {
      element.play().catch((error) => { // a page may sound only after a key or a click; a pause meanwhile is no fault
        if (error.name === "NotAllowedError") this.pause();
      });
    }
  }
}

const within = (clip, t) => Math.min(Math.max(0, t), clip.length);

/** A follower at its end is as ready as it will be. */
const isReady = (clip) => clip.isBroken ||
  (!clip.element.seeking && (clip.element.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA || clip.element.ended));
