/** Waveforms, drawn as an outline that takes the colour of the page. */

import { get } from "/static/api.js";
import { draw, make } from "/static/elements.js";

const WIDTH = 400, HALF = 20;

/** A waveform of some seconds, filled when the server has answered. @returns {HTMLElement} */
export function waveform(id, start, end) {
  const node = make("div", { class: "wave" });
  get(`/media/${id}/waveform`, { start, end: Math.max(end, start + 0.1), n: WIDTH })
    .then(({ peaks }) => node.append(peaks.length ? outline(peaks) : "no audio"), () => node.append("no waveform"));
  return node;
}

/** @param {number[]} peaks 0 to 1 */
function outline(peaks) {
  const top = Math.max(0.05, ...peaks), x = (i) => ((i / Math.max(peaks.length - 1, 1)) * WIDTH).toFixed(1);
  const y = (peak, side) => (HALF + (side * (HALF - 1) * peak) / top).toFixed(1);
  const over = peaks.map((peak, i) => `${x(i)},${y(peak, -1)}`), under = peaks.map((peak, i) => `${x(i)},${y(peak, 1)}`);
  return draw("svg", { viewBox: `0 0 ${WIDTH} ${2 * HALF}`, preserveAspectRatio: "none", "aria-hidden": true },
    draw("polygon", { points: [...over, ...under.reverse()].join(" ") }));
}
