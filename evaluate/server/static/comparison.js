/** What is reviewed: two sides and their spans, from a pair of the archive or from a match of a dropped clip. */

import { ApiError, asQuery, get } from "/static/api.js";
import { asSpan } from "/static/span_strips.js";

/**
 * @typedef {Object} Comparison
 * @property {import("./span_strips.js").Side[]} sides left and right
 * @property {import("./span_strips.js").Span[]} spans
 * @property {number} at number of the span to begin with
 * @property {number} edited the side that the edits of a view were made to: 0 or 1
 * @property {string} verdict of a person; "" without
 * @property {string} place where it stands in its list, in words
 * @property {{previous: string|null, next: string|null, open: string|null}} to addresses of others
 * @property {string} back address of the list
 * @property {string|null} kept name of the source that is proposed to be kept
 * @property {string} reason why the other one may go, or what is proposed instead
 * @property {string[]} keptByVerdict names
 * @property {[string, string][]} told kind and words of what else is known, as how audio and video agree
 */

const PLAIN = { region: { left: 0, top: 0, right: 1, bottom: 1 }, is_mirrored: false, turned_degrees: 0 };
const empty = (seconds) => ({ start: [0, 0], end: [seconds, seconds], isWhole: true, view: PLAIN });

/** @param {string} search of a page's address @returns {Promise<Comparison>} */
export async function load(search) {
  const asked = Object.fromEntries(new URLSearchParams(search));
  return asked.pair ? ofPair(asked) : ofMatch(asked);
}

async function ofPair({ pair: id, agree, verdict }) {
  const list = { agree, verdict };
  const pair = await get(`/duplicates/pairs/${id}`, list), open = `${pair.n_open} open`;
  const to = (other) => other && `/review${asQuery({ pair: other, ...list })}`;
  const found = pair.spans.map(asSpan), [longest] = found, spans = inOrder(found);
  return {
    sides: sidesOf(pair), spans: spans.length ? spans : [empty(Math.min(pair.one_seconds, pair.other_seconds))],
    at: Math.max(0, spans.indexOf(longest)), edited: 0, verdict: pair.verdict, back: `/duplicates${asQuery(list)}`,
    place: pair.position ? `Pair ${pair.position} of ${pair.n_pairs}, ${open}` : `A pair, ${open}`,
    to: { previous: to(pair.previous_id), next: to(pair.next_id), open: to(pair.next_open_id) },
    kept: pair.kept, reason: pair.reason, keptByVerdict: pair.kept_by_verdict, told: agreement(pair),
  };
}

/** Both sides of a pair of the API. */
export const sidesOf = (pair) => ["one", "other"].map((side) =>
  ({ id: pair[`${side}_id`], name: pair[side], seconds: pair[`${side}_seconds`], share: pair[`${side}_share`] }));

/** How video and audio of a pair agree: kinds and words of chips. */
export const agreement = (pair) => ["video", "audio"].map((name) => [pair[name], `${name} ${pair[name]}`]);

/** The matches of an answer with their numbers, but those with the source that the query is. @param {string} [of] its id */
export const candidates = (answer, of) => answer.matches.map((each, number) => ({ ...each, number }))
  .filter((each) => each.reference_id && each.reference_id !== of);

async function ofMatch({ query, match, of }) {
  const answer = await get(`/queries/${query}`), isImage = answer.is_image;
  const found = candidates(answer, of).map((each) => isImage ? { ...each, view: PLAIN } : each); // a poster stays as it is
  const here = found.find((each) => each.number === Number(match ?? 0)) ?? found[0];
  if (!here) throw new ApiError("This clip has no match to review.");
  const isHere = (each) => each.reference_id === here.reference_id;
  const best = [...new Map(found.toReversed().map((each) => [each.reference_id, each])).values()].sort((a, b) => a.number - b.number);
  const place = best.findIndex(isHere), chosen = asSpan(here);
  const spans = inOrder([chosen, ...found.filter((each) => each !== here && each.decision && isHere(each)).map(asSpan)]);
  const to = (other) => other ? `/review${asQuery({ query, match: other.number, of })}` : null;
  const open = [...best.slice(place + 1), ...best.slice(0, place)].find((each) => each.decision && !each.verdict);
  const sides = [{ id: query, name: answer.name, seconds: answer.seconds },
    { id: here.reference_id, name: here.reference, seconds: here.reference_seconds_total }];
  const shown = {
    sides: sides.map((side, i) => ({ ...side, share: Math.min(1, covered(spans, i) / Math.max(side.seconds, 1e-9)) })),
    spans, at: spans.indexOf(chosen), edited: 0, verdict: here.verdict, back: `/match${asQuery({ query, of })}`,
    place: `Source ${place + 1} of ${best.length}`, to: { previous: to(best[place - 1]), next: to(best[place + 1]), open: to(open) },
    kept: null, reason: "", keptByVerdict: [],
    told: here.decision ? [] : [["unclear", isImage ? "an image is never decided" : "below the threshold"]],
  };
  return isImage ? swapped(shown) : shown; // the left side leads, and an image has no time
}

const inOrder = (spans) => spans.sort((a, b) => a.start[0] - b.start[0]);

/** Seconds of a side that spans cover, each counted once. @param {number} i 0 or 1 */
function covered(spans, i) {
  let end = 0, sum = 0;
  for (const span of [...spans].sort((a, b) => a.start[i] - b.start[i])) {
    sum += Math.max(0, span.end[i] - Math.max(span.start[i], end));
    end = Math.max(end, span.end[i]);
  }
  return sum;
}

/** The same with left and right exchanged. @param {Comparison} shown @returns {Comparison} */
export const swapped = (shown) => ({
  ...shown, sides: shown.sides.toReversed(), edited: 1 - shown.edited,
  spans: shown.spans.map((span) => ({ ...span, start: span.start.toReversed(), end: span.end.toReversed() })),
});
