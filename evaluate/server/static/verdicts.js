/** Decisions of a person, and taking the last one back; the list lasts as long as the tab, also over a reload. */

import { attempt, call, notice } from "/static/api.js";

const PLACE = "decisions", MOST = 100;

/** @typedef {{undo: Object[], address: string, title: string}} Decision `undo`: the verdicts that take it back */

/** @returns {Decision[]} */
const made = () => JSON.parse(sessionStorage.getItem(PLACE) ?? "[]");

/** Keep decisions, the oldest only as far as there is room: those of large groups fill it. */
function keep(decisions) {
  try {
    sessionStorage.setItem(PLACE, JSON.stringify(decisions));
  } catch (error) {
    if (!decisions.length) throw error;
    keep(decisions.slice(1));
  }
}

/** Record all verdicts of a decision, or none, under a title for the reader. */
export async function decide(verdicts, title) {
  const { undo } = await call("POST", "/verdicts", verdicts);
  keep([...made(), { undo, address: location.pathname + location.search, title }].slice(-MOST));
}

/** Take the last decision back: what held before holds again. Then show it. @param {(last: Decision) => Promise<any>} show */
export const undo = (show) => attempt(async () => {
  const last = made().at(-1);
  const { verdicts } = await call("POST", "/verdicts", last.undo);
  keep(made().slice(0, -1));
  await show(last);
  notice(verdicts.length === last.undo.length ? `Taken back – ${last.title}` : `Not all was taken back, some was decided anew since – ${last.title}`, true);
});

/** Say on the button #undo what it takes back. */
export function showUndo() {
  const button = document.getElementById("undo"), last = made().at(-1);
  button.disabled = !last;
  button.title = last ? `Take back: ${last.title}` : "Take the last decision back";
}
