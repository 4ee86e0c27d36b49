/** Facts of both files beside each other, the better one of each marked. */

import { chip, fill, make } from "/static/elements.js";
import { date, duration, percent, size } from "/static/words.js";

const SAME_SECONDS = 1, SAME_SHARE = 0.01; // as evaluate/archive/keep.py counts equal lengths
const more = (a, b) => a > b;
const ROWS = [
  ["Container", (facts) => facts.container.split(",")[0]],
  ["Video", (facts) => facts.video_codec || "none"],
  ["Resolution", (facts) => facts.width_px ? `${facts.width_px} × ${facts.height_px}` : "–", (facts) => facts.width_px * facts.height_px, more],
  ["Frame rate", (facts) => facts.fps ? `${Number(facts.fps.toFixed(2))} /s` : "–", (facts) => facts.fps, (a, b) => a > b * 1.005],
  ["Audio", (facts) => facts.audio_codec || "none"],
  ["Channels", (facts) => facts.audio_channels || "–", (facts) => facts.audio_channels, more],
  ["Duration", (facts) => duration(facts.duration_seconds), (facts) => facts.duration_seconds,
    (a, b) => a > b + Math.max(SAME_SECONDS, SAME_SHARE * a)],
  ["Bit rate", (facts) => `${Math.round(facts.bit_rate_bps / 1000).toLocaleString("en")} kbit/s`, (facts) => facts.bit_rate_bps, more],
  ["Size", (facts) => size(facts.size_bytes), (facts) => facts.size_bytes, more],
  ["Modified", (facts) => date(facts.modified)],
];

/** Fill the table; the facts of a file that cannot be read are null. @param {import("./comparison.js").Comparison} shown */
export function showFacts(table, { sides, kept, keptByVerdict }, facts) {
  const known = facts.every(Boolean);
  const row = (title, cells, better = -1) => make("tr", {}, make("th", { scope: "row" }, title), ...cells.map((text, i) =>
    make("td", { class: i === better && "better" }, String(text), i === better && make("span", { class: "sign" }, "better"))));
  fill(table, make("thead", {}, make("tr", {}, make("td"), ...sides.map(({ name }) => make("th", { scope: "col" }, name,
    keptByVerdict.includes(name) ? chip("same", "kept by verdict") : name === kept && chip("agrees", "keep"))))),
  make("tbody", {}, row("Shared", sides.map((side) => percent(side.share))), ...ROWS.map(([title, text, value, isBetter]) => {
    const [a, b] = known && value ? facts.map(value) : [];
    return row(title, facts.map((each) => each ? text(each) : "cannot be read"), a === undefined ? -1 : isBetter(a, b) ? 0 : isBetter(b, a) ? 1 : -1);
  })));
}
