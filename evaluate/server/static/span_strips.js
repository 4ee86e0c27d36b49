/** A span of two sources: film strips above each other, waveforms, and where the span lies in both files. */

import { get, strip } from "/static/api.js";
import { chip, draw, make } from "/static/elements.js";
import { clock, parts, percent } from "/static/words.js";

const STILLS = matchMedia("(max-width: 640px)").matches ? 5 : 8;
const PEAKS = 400, HALF = 20; // of a waveform's drawing

/**
 * @typedef {{id: string, name: string, seconds: number, share: number}} Side a source or a query; its whole length, and the shared share
 * @typedef {{start: [number, number], end: [number, number], score: number, view: Object}} Span seconds in both files
 */

/** A film strip of `n` stills, of which one is shown whole; a waveform where there is no video. */
export const film = (id, start, end, n) => make("img", { class: n > 1 ? "strip" : "strip still", alt: "", loading: "lazy", src: strip(id, start, end, n),
  onerror: (event) => event.target.replaceWith(waveform(id, start, end)) });

/** An outline in the colour of the page, filled when the server has answered. */
export function waveform(id, start, end) {
  const node = make("div", { class: "wave" });
  get(`/media/${id}/waveform`, { start, end: Math.max(end, start + 0.1), n: PEAKS })
    .then(({ peaks }) => node.append(peaks.length ? outline(peaks) : "no audio"), () => node.append("no waveform"));
  return node;
}

/** Draw peaks, 0 to 1. */
function outline(peaks) {
  const top = Math.max(0.05, ...peaks);
  const side = (sign) => peaks.map((peak, i) => `${i},${(HALF + (sign * (HALF - 1) * peak) / top).toFixed(1)}`);
  return draw("svg", { viewBox: `0 0 ${peaks.length} ${2 * HALF}`, preserveAspectRatio: "none", "aria-hidden": true },
    draw("polygon", { points: [...side(-1), ...side(1).reverse()].join(" ") }));
}

/** A match of the API as a span of its two sides. */
export const asSpan = (match) => ({
  ...match,
  start: [match.query_start_seconds, match.reference_start_seconds],
  end: [match.query_end_seconds, match.reference_end_seconds],
});

/** A card of two files that leads to their review; of the spans the first is shown with `n` stills, all are marked. */
export function pairCard(chips, sides, spans, href, n = STILLS) {
  const [span] = spans;
  return make("article", { class: "card pair" },
    make("p", { class: "chips" }, ...chips.map((each) => chip(...each))),
    make("div", { class: "strips" }, ...sides.flatMap((side, i) => [
      make("p", { class: "label" }, named(side.name), span?.end[i] > span?.start[i] && make("small", { class: "when" },
        `${clock(span.start[i])} – ${clock(span.end[i])}`, side.share == null ? "" : `, ${percent(side.share)} of it`)),
      span && film(side.id, span.start[i], span.end[i], n),
      wholeLine(side, i, spans),
    ])),
    make("a", { href, class: "open", "aria-label": `Review ${sides[0].name} and ${sides[1].name}` }, "Review"));
}

/** A name, its folder in small letters. */
export function named(name) {
  const [folder, file] = parts(name);
  return make("span", { class: "name" }, folder && make("small", {}, folder), make("strong", {}, file));
}

/** A line as long as the file, with the spans on it, of side 0 or 1. */
export function wholeLine(side, i, spans) {
  return make("div", { class: "line" }, ...spans.map((span) => {
    const mark = make("i"), whole = Math.max(side.seconds, 1e-9);
    mark.style.left = `${(100 * span.start[i]) / whole}%`;
    mark.style.width = `${(100 * (span.end[i] - span.start[i])) / whole}%`;
    return mark;
  }));
}
