/** Two videos in step: the first leads, the second follows the line of the matched span. */

const FAR_SECONDS = 0.3; // beyond it both wait while the follower seeks
const HELD_SECONDS = 0.06; // beyond it the side that is ahead all but stands, and the other comes up slowly
const CATCH_UP = 0.3; // of the speed: fast enough to be back soon, slow enough not to overshoot where frames come late
const CLOSE_SECONDS = 0.02; // within it nothing is nudged
const GAIN = 2; // share of a drift that is taken back in a second; more overshoots where frames come late
const SLOWEST = 0.07, FASTEST = 16; // what browsers take; from a pause instead, the side would start late again
const MOVED_SECONDS = 0.001; // one of two videos may start 0.3 s late: until both have moved so far, both all but stand
const RAMP = 3; // times the speed from one frame to the next, as not both may take a new speed at once

/** @typedef {{start: [number, number], end: [number, number]}} Span seconds in the leader and in the follower */

/** Follower's seconds for each of the leader's. @param {Span} span */
export function speedOf({ start, end }) {
  return end[0] > start[0] && end[1] > start[1] ? (end[1] - start[1]) / (end[0] - start[0]) : 1;
}

/** The follower's moment at the leader's moment t, on the line of the span; both in seconds. */
export const follow = (span, t) => span.start[1] + (t - span.start[0]) * speedOf(span);

/** The leader's moment at the follower's moment t. */
export const lead = (span, t) => span.start[0] + (t - span.start[1]) / speedOf(span);

export class InStep {
  /** Play the leader and the follower along one span or more; `onTick` is called with the player at each frame of the screen. */
  constructor(clips, spans, onTick) {
    Object.assign(this, { clips, spans, onTick, at: 0, rate: 1, isPlaying: false, isOpen: true, from: [0, 0] });
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

  /** Go to a second of the leader, on a span by number. */
  seek(t, at = this.spanAt(t)) {
    this.at = at;
    const [leader, follower] = this.clips, to = within(leader, t);
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

  /** Let one side sound: 0 or 1. */
  setSounding(side) {
    this.sounding = side;
    this.clips.forEach(({ element }, i) => { element.muted = i !== side; });
  }

  /** The span that holds a moment of the leader: the present one if it does, else the first, else the present one. */
  spanAt(t) {
    const holds = (span) => span.start[0] <= t && t < span.end[0], found = this.spans.findIndex(holds);
    return found < 0 || holds(this.span) ? this.at : found;
  }

  tick() {
    const [leader, follower] = this.clips;
    this.at = this.spanAt(leader.seconds);
    this.onTick(this);
    if (!this.isPlaying) return;
    if (leader.element.ended && !leader.goOn()) return this.pause();
    const target = follow(this.span, leader.seconds), held = within(follower, target), drift = follower.seconds - held;
    const isOver = Math.abs(held - target) > 0.05; // the follower has no such moment: its first or last frame stays
    const { seeking, readyState } = follower.element;
    const isFar = Math.abs(drift) > FAR_SECONDS && !follower.isBroken && !seeking && readyState > 0;
    if (isFar || !this.clips.every(isReady)) {
      this.halt();
      if (isFar) follower.seconds = held;
    } else {
      if (isOver) follower.element.pause();
      this.run(isOver ? [leader] : this.clips, isOver ? 0 : drift);
    }
  }

  /** Play the clips that have this moment, and take a drift of the follower, in seconds, back by speed. */
  run(clips, drift) {
    const runs = clips.filter(({ element, isBroken }) => !element.ended && !isBroken);
    if (runs.some(({ element }) => element.paused)) this.from = this.times;
    const isStarting = runs.some((clip) => Math.abs(clip.seconds - this.from[this.clips.indexOf(clip)]) < MOVED_SECONDS);
    const rates = [this.rate, this.rate * speedOf(this.span)], quiet = 1 - this.sounding;
    if (isStarting) rates.fill(SLOWEST);
    else if (runs.length === 2 && Math.abs(drift) > HELD_SECONDS) {
      rates[drift > 0 ? 1 : 0] = SLOWEST;
      rates[drift > 0 ? 0 : 1] *= CATCH_UP;
    } else if (runs.length === 2 && Math.abs(drift) > CLOSE_SECONDS) rates[quiet] *= 1 + GAIN * (quiet ? -drift : drift);
    this.clips.forEach(({ element }, i) => {
      const rate = Math.max(SLOWEST, Math.min(rates[i], FASTEST, RAMP * element.playbackRate));
      if (Math.abs(element.playbackRate - rate) > 0.005) element.playbackRate = rate;
    });
    runs.filter(({ element }) => element.paused).forEach(({ element }) => element.play().catch((error) => {
      if (error.name === "NotAllowedError") this.pause(); // a page may sound only after a key or a click; else a pause came
    }));
  }
}

const within = (clip, t) => Math.min(Math.max(0, t), clip.length);

/** A follower at its end is as ready as it will be. */
const isReady = ({ isBroken, element }) => isBroken ||
  (!element.seeking && (element.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA || element.ended));
