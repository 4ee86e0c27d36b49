/** A span of two sources: film strips above each other, and where the span lies in both files. */

import { strip } from "/static/api.js";
import { make } from "/static/elements.js";
import { waveform } from "/static/waves.js";
import { clock, parts, percent } from "/static/words.js";

const STILLS = matchMedia("(max-width: 640px)").matches ? 5 : 8;

/**
 * @typedef {{id: string, name: string, seconds: number, share: number}} Side a source or a query; its whole length, and the shared share
 * @typedef {{start: [number, number], end: [number, number], score: number, view: Object}} Span seconds in both files
 */

/** A film strip; a waveform where there is no video. @param {number} n stills */
export const film = (id, start, end, n) => make("img", { class: "strip", alt: "", loading: "lazy", src: strip(id, start, end, n),
  onerror: (event) => event.target.replaceWith(waveform(id, start, end)) });

/** A match of the API as a span of its two sides. */
export const asSpan = (match) => ({
  ...match,
  start: [match.query_start_seconds, match.reference_start_seconds],
  end: [match.query_end_seconds, match.reference_end_seconds],
});

/** @param {Side[]} sides @param {Span[]} spans the first is shown, all are marked @returns {HTMLElement} */
export function spanStrips(sides, spans) {
  return make("div", { class: "strips" }, ...sides.flatMap((side, i) => {
    const [folder, file] = parts(side.name), span = spans[0];
    return [
      make("p", { class: "label" }, folder && make("small", {}, folder), make("strong", {}, file),
        span && make("small", { class: "when" }, `${clock(span.start[i])} – ${clock(span.end[i])}`,
          side.share == null ? "" : `, ${percent(side.share)} of it`)),
      span && film(side.id, span.start[i], span.end[i], STILLS),
      wholeLine(side, i, spans),
    ].filter(Boolean);
  }));
}

/** A line as long as the file, with the spans on it; @param {number} i 0 or 1: which side it is */
export function wholeLine(side, i, spans) {
  return make("div", { class: "line" }, ...spans.map((span) => {
    const mark = make("i"), whole = Math.max(side.seconds, 1e-9);
    mark.style.left = `${(100 * span.start[i]) / whole}%`;
    mark.style.width = `${(100 * (span.end[i] - span.start[i])) / whole}%`;
    return mark;
  }));
}
