/** Decisions of a person, and taking the last one back; the list lasts as long as the tab, also over a reload. */

import { call } from "/static/api.js";

const PLACE = "decisions";

/** @typedef {{body: Object, before: string, address: string, title: string}} Decision `before`: the pair's verdict until then */

/** @returns {Decision[]} */
const made = () => JSON.parse(sessionStorage.getItem(PLACE) ?? "[]");

export const lastMade = () => made().at(-1);

/**
 * @param {Object} body of POST /api/verdicts
 * @param {string} before the pair's verdict until now: same, different, or none
 * @param {string} title of the decision, for the reader
 */
export async function decide(body, before, title) {
  await call("POST", "/verdicts", body);
  const address = location.pathname + location.search;
  sessionStorage.setItem(PLACE, JSON.stringify([...made(), { body, before, address, title }].slice(-100)));
}

/** Take the last decision back: the former verdict holds again. @returns {Promise<Decision>} what was taken back */
export async function undo() {
  const last = lastMade();
  const isPair = last.body.kind === "same" || last.body.kind === "different";
  const had = isPair && (last.before === "same" || last.before === "different");
  await call("POST", "/verdicts", had ? { ...last.body, kind: last.before } : { ...last.body, withdraw: true });
  sessionStorage.setItem(PLACE, JSON.stringify(made().slice(0, -1)));
  return last;
}
