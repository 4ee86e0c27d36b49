/** Lanes of a span: film strip and waveform of both sides above each other, aligned, with one line for the moment. */

import { strip } from "/static/api.js";
import { make } from "/static/elements.js";
import { wholeLine } from "/static/span_strips.js";
import { waveform } from "/static/waves.js";
import { clock } from "/static/words.js";

const HEIGHT_PX = matchMedia("(max-width: 640px)").matches ? 36 : 56; // of a strip, as page.css has it
const MOST_STILLS = 40;

/** Stills that fill the width of the lanes, each in its shape. */
function stills(node, { width_px, height_px }) {
  const wide = (HEIGHT_PX * (width_px || 16)) / (height_px || 9);
  return Math.min(MOST_STILLS, Math.max(3, Math.round(node.clientWidth / wide)));
}

/**
 * @param {HTMLElement} node
 * @param {import("./span_strips.js").Side[]} sides
 * @param {Object[]} infos of the media: has_video, has_audio
 * @param {import("./span_strips.js").Span[]} spans all; the lanes show one
 * @param {number} at number of that span
 * @param {(t: number, side: number) => void} go seconds of a side
 * @returns {(times: number[]) => void} shows the present moment
 */
export function showLanes(node, sides, infos, spans, at, go) {
  const span = spans[at], heads = [], dots = [];
  node.replaceChildren(...sides.map((side, i) => {
    const [start, end] = [span.start[i], span.end[i]];
    const film = infos[i].has_video ? make("img", { alt: "", draggable: "false", src: strip(side.id, start, end, stills(node, infos[i])) }) : make("p", { class: "none" }, "no video");
    const sound = infos[i].has_audio ? waveform(side.id, start, end) : make("p", { class: "none" }, "no audio");
    const head = make("i", { class: "head" }), dot = make("b"), line = wholeLine(side, i, spans);
    heads.push(head);
    dots.push(dot);
    line.append(dot);
    const lane = make("div", { class: "film" }, film, sound, head);
    lane.onclick = (event) => go(start + share(event, lane) * (end - start), i);
    line.onclick = (event) => go(share(event, line) * side.seconds, i);
    return make("div", { class: "lane" }, make("p", { class: "label" }, make("strong", {}, i ? "Right" : "Left"),
      make("small", {}, `${clock(start)} – ${clock(end)}`)), lane, line);
  }));
  return (times) => sides.forEach((side, i) => {
    const inSpan = (times[i] - span.start[i]) / Math.max(span.end[i] - span.start[i], 1e-9);
    heads[i].style.left = `${100 * Math.min(Math.max(inSpan, 0), 1)}%`;
    heads[i].classList.toggle("beside", inSpan < 0 || inSpan > 1);
    dots[i].style.left = `${Math.min(100, (100 * times[i]) / Math.max(side.seconds, 1e-9))}%`;
  });
}

function share(event, element) {
  const box = element.getBoundingClientRect();
  return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
}
