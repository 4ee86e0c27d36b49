/** Decisions of a person, and taking the last one back; the list lasts as long as the tab, also over a reload. */

import { call } from "/static/api.js";

const PLACE = "decisions", MOST = 100;

/** @typedef {{undo: Object[], address: string, title: string}} Decision `undo`: the verdicts that take it back */

/** @returns {Decision[]} */
const made = () => JSON.parse(sessionStorage.getItem(PLACE) ?? "[]");
const keep = (decisions) => sessionStorage.setItem(PLACE, JSON.stringify(decisions));

export const lastMade = () => made().at(-1);

/**
 * @param {Object[]} verdicts body of POST /api/verdicts: all are recorded, or none
 * @param {string} title of the decision, for the reader
 */
export async function decide(verdicts, title) {
  const { undo } = await call("POST", "/verdicts", verdicts);
  keep([...made(), { undo, address: location.pathname + location.search, title }].slice(-MOST));
}

/** Take the last decision back: what held before holds again. @returns {Promise<Decision>} what was taken back */
export async function undo() {
  const last = lastMade();
  await call("POST", "/verdicts", last.undo);
  keep(made().slice(0, -1));
  return last;
}

/** Say on the button #undo what it takes back. */
export function showUndo() {
  const button = document.getElementById("undo"), last = lastMade();
  button.disabled = !last;
  button.title = last ? `Take back: ${last.title}` : "Take the last decision back";
}
