/** The map: seconds of one source across, of the other down; each span a line, the present moment a cross. */

import { draw, fill } from "/static/elements.js";
import { clock } from "/static/words.js";

const SIZE = 300, LEFT = 44, TOP = 26, END = 290; // of the drawing
const STEPS_SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
const MOST_TICKS = 4;

/** Round places of a scale, in seconds. */
function ticks(seconds) {
  const step = STEPS_SECONDS.find((each) => seconds / each <= MOST_TICKS) ?? Math.ceil(seconds / MOST_TICKS / 3600) * 3600;
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, i) => i * step);
}

const line = (kind, x1, y1, x2, y2) => draw("line", { class: kind, x1, y1, x2, y2 });
const text = (kind, x, y, words) => draw("text", { class: kind, x, y }, words);

/**
 * Draw the map into an SVG element; a click calls `go` with seconds of the left side, and perhaps the span's number.
 * @param {import("./comparison.js").Comparison} shown the left side across, the right one down
 * @returns {(times: number[], at: number) => void} shows the present moment and span
 */
export function drawMap(svg, { sides, spans }, go) {
  const seconds = sides.map((side) => side.seconds);
  const x = (t) => LEFT + ((END - LEFT) * Math.min(t, seconds[0])) / Math.max(seconds[0], 1e-9);
  const y = (t) => TOP + ((END - TOP) * Math.min(t, seconds[1])) / Math.max(seconds[1], 1e-9);
  const round = (t) => clock(t).replace(".0", "");
  const lines = spans.map(({ start, end }, i) => {
    const name = `Span ${i + 1}: ${clock(start[0])} to ${clock(end[0])}, there ${clock(start[1])} to ${clock(end[1])}`;
    const ends = [x(start[0]), y(start[1]), x(end[0]), y(end[1])];
    return draw("g", { class: "span", tabindex: 0, role: "button", "aria-label": name, onkeydown: (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      go(start[0], i);
    } }, draw("title", {}, name), line("reach", ...ends), line("stretch", ...ends));
  });
  const cross = draw("path", { class: "now" }), dot = draw("circle", { class: "now", r: 4 });
  svg.setAttribute("viewBox", `0 0 ${SIZE} ${SIZE}`);
  fill(svg, draw("rect", { class: "field", x: LEFT, y: TOP, width: END - LEFT, height: END - TOP, rx: 3 }),
    ...ticks(seconds[0]).flatMap((t) => [line("tick", x(t), TOP, x(t), END), text("across", x(t), TOP - 8, round(t))]),
    ...ticks(seconds[1]).flatMap((t) => [line("tick", LEFT, y(t), END, y(t)), text("down", LEFT - 6, y(t) + 3.5, round(t))]),
    text("axis end", END - 6, TOP + 15, "left →"), text("axis", LEFT + 6, END - 8, "right ↓"), ...lines, cross, dot);
  svg.onclick = (event) => { // a span takes the moment that was pointed at, the ground the nearest line
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const t = ((point.x - LEFT) / (END - LEFT)) * seconds[0], hit = lines.indexOf(event.target.closest("g.span"));
    if (hit >= 0) go(Math.min(Math.max(t, spans[hit].start[0]), spans[hit].end[0]), hit);
    else if (t >= 0 && t <= seconds[0]) go(t);
  };
  return (times, at) => {
    const [px, py] = [x(times[0]).toFixed(1), y(times[1]).toFixed(1)];
    cross.setAttribute("d", `M${px} ${TOP}V${END}M${LEFT} ${py}H${END}`);
    dot.setAttribute("transform", `translate(${px} ${py})`);
    lines.forEach((each, i) => each.classList.toggle("current", i === at));
  };
}
