/** Lanes of a span: film strip and waveform of both sides above each other, aligned, with one line for the moment. */

import { strip } from "/static/api.js";
import { fill, make } from "/static/elements.js";
import { waveform, wholeLine } from "/static/span_strips.js";
import { clock } from "/static/words.js";

const HEIGHT_PX = matchMedia("(max-width: 640px)").matches ? 36 : 56; // of a strip, as page.css has it
const FEWEST_STILLS = 3, MOST_STILLS = 40;

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Stills that fill the width of the lanes, each in its shape. */
const stills = (node, { width_px, height_px }) =>
  clamp(Math.round((node.clientWidth * (height_px || 9)) / (HEIGHT_PX * (width_px || 16))), FEWEST_STILLS, MOST_STILLS);

/** Where an event is between the left and the right end of an element, 0 to 1. */
function share({ clientX, currentTarget }) {
  const { left, width } = currentTarget.getBoundingClientRect();
  return clamp((clientX - left) / width, 0, 1);
}

/**
 * Show the lanes of the span of number `at`; a click calls `go` with seconds of a side, and which side it is.
 * @param {import("./comparison.js").Comparison} shown
 * @param {import("./clip.js").Info[]} infos of the media
 * @returns {(times: number[]) => void} shows the present moment
 */
export function showLanes(node, { sides, spans }, infos, at, go) {
  const none = (what) => make("p", { class: "none" }, `no ${what}`);
  const shows = sides.map((side, i) => {
    const [start, end] = [spans[at].start[i], spans[at].end[i]], head = make("i", { class: "head" }), dot = make("b");
    const lane = make("div", { class: "film", onclick: (event) => go(start + share(event) * (end - start), i) },
      infos[i].has_video ? make("img", { alt: "", draggable: "false", src: strip(side.id, start, end, stills(node, infos[i])) }) : none("video"),
      infos[i].has_audio ? waveform(side.id, start, end) : none("audio"), head);
    const line = wholeLine(side, i, spans);
    line.append(dot);
    line.onclick = (event) => go(share(event) * side.seconds, i);
    return { lane: make("div", { class: "lane" }, make("p", { class: "label" }, make("strong", {}, i ? "Right" : "Left"),
      make("small", {}, `${clock(start)} – ${clock(end)}`)), lane, line), show: (t) => {
      const inSpan = (t - start) / Math.max(end - start, 1e-9);
      head.style.left = `${100 * clamp(inSpan, 0, 1)}%`;
      head.classList.toggle("beside", inSpan < 0 || inSpan > 1);
      dot.style.left = `${clamp((100 * t) / Math.max(side.seconds, 1e-9), 0, 100)}%`;
    } };
  });
  fill(node, ...shows.map(({ lane }) => lane));
  return (times) => shows.forEach(({ show }, i) => show(times[i]));
}
