/** Decisions of a person, and taking the last one back; the list lasts as long as the tab, also over a reload. */

import { call } from "/static/api.js";

const PLACE = "decisions", MOST = 100;

/** @typedef {{body: Object, before: string, address: string, title: string}} Decision `before`: the pair's verdict until then */

/** @returns {Decision[]} */
const made = () => JSON.parse(sessionStorage.getItem(PLACE) ?? "[]");
const keep = (decisions) => sessionStorage.setItem(PLACE, JSON.stringify(decisions));

export const lastMade = () => made().at(-1);

/**
 * @param {Object} body of POST /api/verdicts
 * @param {string} before the pair's verdict until now: same, different, or none
 * @param {string} title of the decision, for the reader
 */
export async function decide(body, before, title) {
  await call("POST", "/verdicts", body);
  keep([...made(), { body, before, address: location.pathname + location.search, title }].slice(-MOST));
}

/** Take the last decision back: the former verdict holds again. @returns {Promise<Decision>} what was taken back */
export async function undo() {
  const last = lastMade(), pairs = ["same", "different"];
  const had = pairs.includes(last.body.kind) && pairs.includes(last.before);
  await call("POST", "/verdicts", { ...last.body, ...(had ? { kind: last.before } : { withdraw: true }) });
  keep(made().slice(0, -1));
  return last;
}
