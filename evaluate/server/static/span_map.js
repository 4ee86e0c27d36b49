/** The map: seconds of one source across, of the other down; each span a line, the present moment a cross. */

import { draw } from "/static/elements.js";
import { clock } from "/static/words.js";

const SIZE = 300, LEFT = 44, TOP = 26, RIGHT = 10, BOTTOM = 10; // of the drawing

/** Round steps of a scale, at most `n` of them. @param {number} seconds @returns {number} */
function step(seconds, n) {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
  return steps.find((each) => seconds / each <= n) ?? Math.ceil(seconds / n / 3600) * 3600;
}

/**
 * Draw the map into an SVG element.
 * @param {SVGElement} svg
 * @param {[number, number]} seconds whole lengths, across and down
 * @param {import("./in_step.js").Span[]} spans
 * @param {(t: number, at?: number) => void} go called with seconds of the one across, and the span's number
 * @returns {(times: number[], at: number) => void} shows the present moment and span
 */
export function drawMap(svg, seconds, spans, go) {
  const width = SIZE - LEFT - RIGHT, height = SIZE - TOP - BOTTOM;
  const x = (t) => LEFT + (width * t) / Math.max(seconds[0], 1e-9);
  const y = (t) => TOP + (height * t) / Math.max(seconds[1], 1e-9);
  svg.setAttribute("viewBox", `0 0 ${SIZE} ${SIZE}`);
  const ticks = [];
  for (const [i, scale] of [x, y].entries()) {
    const each = step(seconds[i], 4);
    for (let t = 0; t <= seconds[i]; t += each) {
      const text = clock(t).replace(".0", ""), p = scale(t);
      ticks.push(...(i ? [draw("line", { class: "tick", x1: LEFT, x2: LEFT + width, y1: p, y2: p }),
        draw("text", { x: LEFT - 6, y: p + 3.5, class: "down" }, text)]
        : [draw("line", { class: "tick", y1: TOP, y2: TOP + height, x1: p, x2: p }),
          draw("text", { x: p, y: TOP - 8, class: "across" }, text)]));
    }
  }
  const field = draw("rect", { class: "field", x: LEFT, y: TOP, width, height, rx: 3 });
  const lines = spans.map((span, i) => {
    const ends = { x1: x(span.start[0]), y1: y(span.start[1]), x2: x(span.end[0]), y2: y(span.end[1]) };
    const name = `Span ${i + 1}: ${clock(span.start[0])} to ${clock(span.end[0])}, there ${clock(span.start[1])} to ${clock(span.end[1])}`;
    return draw("g", { class: "span", tabindex: 0, role: "button", "aria-label": name, onkeydown: (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        go(span.start[0], i);
      }
    } }, draw("title", {}, name), draw("line", { class: "reach", ...ends }), draw("line", { class: "stretch", ...ends }));
  });
  const axes = [draw("text", { class: "axis end", x: LEFT + width - 6, y: TOP + 15 }, "left →"), draw("text", { class: "axis", x: LEFT + 6, y: TOP + height - 8 }, "right ↓")];
  const cross = [draw("line", { class: "now", y1: TOP, y2: TOP + height }), draw("line", { class: "now", x1: LEFT, x2: LEFT + width }),
    draw("circle", { class: "now", r: 4 })];
  svg.replaceChildren(field, ...ticks, ...axes, ...lines, ...cross);
  svg.onclick = (event) => { // a span takes the moment that was pointed at, the ground the nearest line
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const t = ((point.x - LEFT) / width) * seconds[0];
    const hit = lines.indexOf(event.target.closest("g.span"));
    if (hit >= 0) go(Math.min(Math.max(t, spans[hit].start[0]), spans[hit].end[0]), hit);
    else if (t >= 0 && t <= seconds[0]) go(t);
  };
  return (times, at) => {
    const px = x(Math.min(times[0], seconds[0])), py = y(Math.min(times[1], seconds[1]));
    set(cross[0], { x1: px, x2: px });
    set(cross[1], { y1: py, y2: py });
    set(cross[2], { cx: px, cy: py });
    lines.forEach((line, i) => line.classList.toggle("current", i === at));
  };
}

function set(element, values) {
  for (const [name, value] of Object.entries(values)) element.setAttribute(name, value.toFixed(1));
}
