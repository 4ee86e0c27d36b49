/**
 * A file in a video element, in seconds of the file: the server may give a copy that holds a part of it. An edited copy is
 * shown as if it had not been mirrored, turned or put into a part of the frame; or that part is outlined.
 */

import { media, strip } from "/static/api.js";
import { tell } from "/static/elements.js";

const AGAIN_SECONDS = 5, MOST_TRIES = 60; // while the server makes a copy

/** @typedef {{plays: string, is_image: boolean, has_video: boolean, seconds: number, excerpt_seconds: number|null, reason: string}} Info of the API */

const isPart = ({ left, top, right, bottom }) => (right - left) * (bottom - top) < 1;

/** Whether the copy's view says that something was done to it. */
export const isEdited = (view) => view.is_mirrored || view.turned_degrees !== 0 || isPart(view.region);

/** Forget the file that a video element plays; without its address alone it would play on. */
export function unload(element) {
  element.pause();
  element.removeAttribute("src");
  element.load();
}

export class Clip {
  /** The file of a source or query, by its id, in a video element; the note beside it says why nothing plays. @param {Info} info */
  constructor(element, id, info, note) {
    Object.assign(this, { element, id, info, note, start: 0, tries: 0, isLoaded: false });
    const { plays, reason, has_video, is_image } = info;
    element.poster = is_image ? strip(id, 0, 0, 1) : "";
    tell(note, is_image ? "" : plays === "none" ? `This file cannot be played${reason && `: ${reason}`}.`
      : plays !== "direct" && "A copy that this browser plays is being made…");
    element.onerror = () => this.again();
    element.onloadeddata = () => {
      this.tries = 0;
      tell(note, !has_video && "♪ audio alone");
    };
    if (plays === "none") unload(element);
  }

  /** Whether there is nothing to wait for. */
  get isBroken() { return this.info.plays === "none" || this.tries > MOST_TRIES; }

  /** The present moment, in seconds of the file. */
  get seconds() { return this.start + this.element.currentTime; }

  set seconds(t) {
    if (this.info.plays === "none") return;
    const held = this.info.excerpt_seconds, isBeside = held && (t < this.start || t >= this.start + held - 1);
    if (!this.isLoaded || isBeside) { // a part of the file begins at `start`
      this.start = held ? Math.max(0, Math.floor((2 * t) / held - 0.5) * (held / 2)) : 0;
      this.isLoaded = true;
      this.element.src = media(this.id) + (this.start ? `?start=${this.start}` : "");
    }
    this.element.currentTime = t - this.start;
  }

  /** Length in seconds. */
  get length() { return this.info.excerpt_seconds ? this.info.seconds : this.element.duration || this.info.seconds; }

  /** Go on with the next part at the end of one; @returns {boolean} whether there is one */
  goOn() {
    if (!this.info.excerpt_seconds || this.seconds >= this.info.seconds - 1) return false;
    this.seconds += 0.01;
    return true;
  }

  /** The server answers 503 while it makes a copy: ask again. */
  again() {
    if (!this.element.getAttribute("src")) return;
    const { src, currentTime } = this.element;
    this.tries += this.info.plays === "direct" ? MOST_TRIES + 1 : 1;
    if (this.isBroken) tell(this.note, "This file cannot be played. It may have moved: update the index.");
    else setTimeout(() => {
      if (this.element.src !== src) return;
      this.element.load();
      this.element.currentTime = currentTime;
    }, 1000 * AGAIN_SECONDS);
  }

  /** Undo the edits of the copy if `isAlike`, else outline its region; the view is null for a side that nothing was done to. */
  dress(outline, view, isAlike) {
    const { element } = this;
    element.style.transform = element.style.clipPath = "";
    outline.hidden = true;
    if (!view) return;
    const { left, top, right, bottom } = view.region, { clientWidth: w, clientHeight: h } = element;
    const fit = Math.min(w / (element.videoWidth || w), h / (element.videoHeight || h)); // videos keep their shape in their box
    const wide = fit * (element.videoWidth || w), high = fit * (element.videoHeight || h);
    const x = (w - wide) / 2 + left * wide, y = (h - high) / 2 + top * high, width = (right - left) * wide, height = (bottom - top) * high;
    if (isAlike) {
      const [across, down] = view.turned_degrees % 180 ? [height, width] : [width, height];
      // It was mirrored, then turned: the turn is undone first (the right-most word), then the mirror.
      element.style.transform = `${view.is_mirrored ? "scaleX(-1) " : ""}rotate(${-view.turned_degrees}deg) `
        + `scale(${Math.min(w / across, h / down)}) translate(${w / 2 - x - width / 2}px, ${h / 2 - y - height / 2}px)`;
      element.style.clipPath = `inset(${y}px ${w - x - width}px ${h - y - height}px ${x}px)`;
    } else if (isPart(view.region)) {
      outline.hidden = false;
      for (const [name, value] of Object.entries({ left: x, top: y, width, height })) outline.style[name] = `${value}px`;
    }
  }
}
