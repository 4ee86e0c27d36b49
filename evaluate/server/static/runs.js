/** Runs of indexing and of duplicates: start, progress as the server tells it, stop. */

import { attempt, call, get, notice } from "/static/api.js";
import { button, make } from "/static/elements.js";
import { duration, size } from "/static/words.js";

const TITLES = { index: "Indexing", duplicates: "Looking for duplicates" };
const ENDS = { done: "done", failed: "failed", stopped: "stopped; what was done is kept" };

/**
 * Show the newest run in a node and follow it, and what comes into the watched folder.
 * `onEnd` is called when a run ends that this page saw running; the buttons `starters` wait while a run goes.
 */
export async function watchRuns(node, onEnd, starters, onWatched = () => {}) {
  let shown = null, isOver = true;
  const show = (run) => {
    const isRunning = run.state === "running";
    if (isRunning && shown?.id !== run.id) node.replaceChildren((shown = card(run)).node);
    if (shown?.id !== run.id) return; // an earlier one: each new connection tells of all
    starters.forEach((button) => { button.disabled = isRunning; });
    shown.update(run);
    if (!isRunning && !isOver) onEnd(run);
    isOver = !isRunning;
  };
  const runs = await attempt(() => get("/runs"));
  if (runs?.length) show(runs[0]);
  let events = null;
  const follow = () => { // a hidden page gives its connection back: a browser has six for a server
    events?.close();
    events = document.hidden ? null : new EventSource("/api/events");
    events?.addEventListener("run", (event) => show(JSON.parse(event.data)));
    events?.addEventListener("watched", (event) => onWatched(JSON.parse(event.data)));
  };
  document.addEventListener("visibilitychange", follow);
  follow();
}

/** Start a run by the body of POST /api/runs. */
export const start = (body) => attempt(async () => {
  notice();
  return call("POST", "/runs", body);
});

/** How far a run is: indexing and decoding, which has a note, count bytes, the search sources. */
function told(run) {
  const isRunning = run.state === "running", n = run.kind === "index" || run.note ? size : (value) => value.toLocaleString("en");
  return [
    ...isRunning ? [TITLES[run.kind], run.total && `${n(run.done)} of ${n(run.total)}`,
      run.seconds_left != null && `about ${duration(run.seconds_left)} left`, run.note]
      : [`${TITLES[run.kind]}: ${ENDS[run.state]}`, run.note, run.message],
  ].filter(Boolean).join(" · ");
}

/** A card that stays while a run goes, so that its button keeps the focus. */
function card(run) {
  const text = make("p"), bar = make("progress", { max: 1, "aria-label": TITLES[run.kind] });
  const stop = button("Stop", () => {
    stop.disabled = true;
    attempt(() => call("DELETE", `/runs/${run.id}`));
  });
  const node = make("div", { class: "card run" }, text, bar, stop);
  return { id: run.id, node, update: (now) => {
    text.textContent = told(now);
    node.classList.toggle("failed", now.state === "failed");
    bar.hidden = stop.hidden = now.state !== "running";
    if (now.total) bar.value = now.done / now.total;
  } };
}
