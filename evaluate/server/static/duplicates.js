/** Duplicates inside the archive, group by group; the way into the review. */

import { asQuery, attempt, get, notice } from "/static/api.js";
import { agreement, sidesOf } from "/static/comparison.js";
import { at, button, fill, make, tell } from "/static/elements.js";
import { showKey, useKeys } from "/static/keys.js";
import { listed } from "/static/listed.js";
import { start, watchRuns } from "/static/runs.js";
import { asSpan, film, pairCard } from "/static/span_strips.js";
import { decide, showUndo, undo } from "/static/verdicts.js";
import { clock, count, duration, parts } from "/static/words.js";

const EXPORTS = {
  "keep.sh": "Script that moves copies to a folder beside the archive",
  "keep.csv": "What to keep, table (CSV)",
  "keep.json": "What to keep, JSON",
  "pairs.csv": "Pairs, table (CSV)",
  "pairs.json": "Pairs, JSON",
  "pairs.edl": "Pairs, edit list (EDL)",
  "pairs.otio": "Pairs, timelines (OpenTimelineIO)",
  "verdicts.jsonl": "Verdicts, JSON lines",
};
const MOST_SOURCES = 141; // of a group that is decided at once: 9,870 pairs, as many as a request may hold
const MOST_KEYS = 9;
const VALUES = { // of inputs of the form, by their type; null is the default
  checkbox: (input) => input.checked, number: (input) => input.value ? Number(input.value) : null,
  text: (input) => input.value.split(",").map((each) => each.trim()).filter(Boolean),
};

let isScopeShown = false;
const list = listed({ agree: "any", verdict: "all" }, (asked) => Promise.all([get("/status"), get("/duplicates", asked)]), show);

function show([status, found], { agree, verdict }) {
  at("find").hidden = !status.is_writer;
  if (!isScopeShown) showScope(status.last_scope);
  const { n_pairs, n_open, pairs, segments } = found, isAll = verdict === "all", has = Boolean(n_pairs || n_open);
  const reviewOf = (id) => `/review${asQuery({ pair: id, agree, verdict })}`;
  at("headline").textContent = !has ? "Duplicates" : isAll ? `${count(n_pairs, "pair")} in ${count(found.groups.length, "group")}`
    : count(n_pairs, `${verdict} pair`);
  tell(at("facts"), has && [
    n_open ? `${n_open} open` : "all decided: what to keep is under Export",
    found.n_set_aside && `${found.n_set_aside} set aside by verdicts`,
    `score from ${found.threshold.toFixed(1)} on`].filter(Boolean).join(" · "));
  at("decided").hidden = !isAll || !n_pairs;
  at("decided").value = n_pairs ? 1 - n_open / n_pairs : 0;
  at("first").hidden = !n_open;
  at("first").href = reviewOf(found.first_open_id);
  showUndo();
  at("export").hidden = at("filters").hidden = !has && isAll && agree === "any";
  fill(at("groups"), ...[...new Set(pairs.map((pair) => pair.group))].map((number) => {
    const group = found.groups.find((each) => each.number === number); // without: pairs that a verdict set aside
    return make("section", { class: "group" },
      make("h2", {}, group ? `Group ${number}` : "Set aside", group && make("small", {}, count(group.names.length, "source"))),
      group && choices(group), ...pairs.filter((pair) => pair.group === number).map((pair) => card(pair, reviewOf(pair.id))));
  }));
  tell(at("empty"), pairs.length ? "" : !status.n_sources ? "Nothing is indexed yet. Update the index on the page “Archive” first."
    : !status.has_duplicates ? "No search for duplicates has been made yet. “Find duplicates” compares all sources of the index with each other."
      : !at("filters").hidden ? "No pair fits. Show all, or let any agree."
        : segments.length ? "No two sources are copies of each other; many share the segments below."
          : "No two sources of this archive share material.");
  at("segments").hidden = !segments.length;
  fill(at("segments").querySelector("ul"), ...segments.map(segment));
  return n_pairs;
}

/** Buttons that decide all pairs of a group at once. */
function choices({ number, names, ids, kept }) {
  const all = `all ${names.length} sources of group ${number}`;
  if (names.length > MOST_SOURCES) return make("p", { class: "muted" }, `${names.length} sources are too many to decide at once: review the pairs.`);
  const pairs = (kind) => ids.flatMap((id, i) => ids.slice(i + 1).map((other) => ({ kind, ids: [id, other] })));
  const choice = (title, key, told, verdicts) => {
    const made = button(title, () => judge(verdicts(), told), { "data-key": key, title: told });
    return key ? showKey(made) : made;
  };
  const keep = (id) => [...pairs("same"), ...kept.map((each) => ({ kind: "keep", ids: [each], withdraw: true })), { kind: "keep", ids: [id] }];
  return make("div", { class: "bar" }, choice("All the same", "s", `The same: ${all}`, () => pairs("same")),
    choice("None the same", "d", `Different: ${all}`, () => pairs("different")),
    make("details", { open: names.length <= MOST_KEYS }, make("summary", {}, "Keep one, all the same"), make("div", { class: "bar" }, ...names.map((name, i) =>
      choice(`Keep ${parts(name)[1]}`, i < MOST_KEYS ? i + 1 : null, `Keep ${name}, the same: ${all}`, () => keep(ids[i]))))));
}

/** Keep decisions, then go on with the next group. @param {Object[]} verdicts of POST /api/verdicts */
const judge = (verdicts, title) => attempt(async () => {
  const number = focused();
  await decide(verdicts, title);
  await list.refresh();
  if (number >= 0) focus(number);
  notice(title, true, takeBack);
});

const takeBack = () => undo(list.refresh);

const groups = () => [...document.querySelectorAll(".group:has(.bar)")];
const focused = () => groups().findIndex((each) => each.contains(document.activeElement));
const focus = (number) => groups()[Math.max(0, Math.min(number, groups().length - 1))]?.querySelector("button").focus();

const card = (pair, href) => pairCard([[`verdict ${pair.verdict}`, pair.verdict || "open"],
  ["strong", `${duration(pair.shared_seconds)} shared`], ...agreement(pair),
  ["edit", pair.spans[0]?.edits],
  ["", pair.spans.length > 1 && count(pair.spans.length, "span")]], sidesOf(pair), pair.spans.map(asSpan), href);

function segment(found) {
  const [first] = found.places;
  const told = `Ignored everywhere: ${clock(first.start_seconds)} to ${clock(first.end_seconds)} of ${parts(first.name)[1]}`;
  return make("li", { class: "card" },
    make("p", {}, make("strong", {}, `${duration(found.seconds)} in ${count(found.n_sources, "source")}`)),
    film(first.id, first.start_seconds, first.end_seconds, 8),
    make("details", {}, make("summary", {}, "Places"), make("ul", {}, ...found.places.map((place) =>
      make("li", {}, `${clock(place.start_seconds)} – ${clock(place.end_seconds)} of ${place.name}`)))),
    make("div", { class: "actions" }, button("Ignore everywhere", () => judge([{ kind: "ignore", places: found.places }], told))));
}

/** Fill the form with what the last run compared: only with the same can the next one add what is new. */
function showScope(last) {
  isScopeShown = true;
  for (const [name, value] of Object.entries(last ?? {})) {
    const input = at("scope")[name];
    if (input?.type === "checkbox") input.checked = value;
    else if (input) input.value = Array.isArray(value) ? value.join(", ") : value ?? "";
  }
}

/** What the form asks to compare, as the API takes it. */
const asked = () => Object.fromEntries([...at("scope").elements].map((input) => [input.name, VALUES[input.type](input)]));

at("export").onclick = () => {
  const { agree } = list.state;
  fill(at("exports").querySelector("ul"), ...Object.entries(EXPORTS).map(([name, title]) => make("li", {}, make("a", {
    href: name.startsWith("verdicts") ? "/api/verdicts/export" : `/api/duplicates/export${asQuery({ form: name, agree })}`,
    download: name }, title))));
  at("exports").showModal();
};
at("find").onclick = () => {
  const { since_last, ...scope } = asked();
  start({ kind: "duplicates", since_last, scope });
};
at("undo").onclick = takeBack;
at("before").onclick = () => focus(focused() - 1);
at("after").onclick = () => focus(focused() + 1);
useKeys();
list.refresh();
watchRuns(at("runs"), list.refresh, [at("find")]);
