/** Numbers and dates as a reader wants them. */

const whole = new Intl.NumberFormat("en");

/** 3, "source" -> "3 sources" */
export const count = (n, noun, plural = "s") => `${whole.format(n)} ${noun}${n === 1 ? "" : plural}`;

/** @param {number} seconds @returns {string} "12.5 s", "4 min 12 s", "1 h 05 min" */
export function duration(seconds) {
  if (seconds == null) return "–";
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const all = Math.round(seconds), two = (n) => String(n).padStart(2, "0");
  if (all < 3600) return `${Math.floor(all / 60)} min ${two(all % 60)} s`;
  return `${whole.format(Math.floor(all / 3600))} h ${two(Math.floor((all % 3600) / 60))} min`;
}

/** @param {number} seconds @returns {string} a place in a file: "1:02.5" */
export function clock(seconds) {
  const tenths = Math.max(0, Math.round(10 * (seconds || 0))), minutes = Math.floor(tenths / 600);
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  const hours = Math.floor(minutes / 60);
  return hours ? `${hours}:${String(minutes % 60).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** @param {number} bytes @returns {string} "1.4 MB" */
export function size(bytes) {
  const power = Math.min(4, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  const value = bytes / 1000 ** power;
  return `${value < 10 && power ? value.toFixed(1) : Math.round(value)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}

/** @param {string} moment ISO 8601 @returns {string} "28 Nov 2026, 16:30" */
export const date = (moment) =>
  new Date(moment).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** 0.834 -> "83 %" */
export const percent = (share) => `${Math.round(100 * share)} %`;

/** @param {string} name "news/a.mp4" @returns {[string, string]} "news/" and "a.mp4" */
export function parts(name) {
  const cut = name.lastIndexOf("/") + 1;
  return [name.slice(0, cut), name.slice(cut)];
}

/** @param {Match} span @returns {string} "score 12.3"; with a true minus sign */
export const score = (span) => `score ${span.score.toFixed(1).replace("-", "−")}`;

/** Which of audio and video a match rests on. */
export const by = (span) => `by ${span.matched_by !== "both" ? span.matched_by : span.audio_score == null ? "video" : "video and audio"}`;
