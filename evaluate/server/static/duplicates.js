/** Duplicates inside the archive, group by group; the way into the review. */

import { asQuery, attempt, call, get, notice, readAddress, writeAddress } from "/static/api.js";
import { at, choices, make, paging, tell } from "/static/elements.js";
import { start, watchRuns } from "/static/runs.js";
import { asSpan, film, spanStrips } from "/static/span_strips.js";
import { clock, count, duration } from "/static/words.js";

const LIMIT = 50;
const DEFAULTS = { agree: "any", verdict: "all", offset: "0" };
const FORMS = {
  "pairs.json": "Pairs, JSON", "pairs.csv": "Pairs, CSV", "pairs.edl": "Pairs, edit list (EDL)",
  "pairs.otio": "Pairs, timelines (OpenTimelineIO)",
  "keep.csv": "What to keep, CSV", "keep.json": "What to keep, JSON", "keep.sh": "Script that moves copies away",
};

const state = readAddress(DEFAULTS);
let isScopeShown = false, asked = 0;
const reviewOf = (id) => `/review${asQuery({ pair: id, agree: state.agree, verdict: state.verdict })}`;

function change(values) {
  Object.assign(state, { offset: "0" }, values);
  writeAddress(state, DEFAULTS);
  return attempt(show);
}

async function show() {
  const mine = ++asked, status = await get("/status");
  at("find").hidden = !status.is_writer;
  if (!isScopeShown) showScope(status.last_scope);
  const found = status.has_duplicates ? await get("/duplicates", { ...state, limit: LIMIT })
    : { n_pairs: 0, n_open: 0, groups: [], pairs: [], segments: [], n_set_aside: 0 };
  if (mine !== asked) return; // a later choice was answered first
  const { n_pairs, n_open, pairs } = found;
  at("headline").textContent = n_pairs ? `${count(n_pairs, "pair")} in ${count(found.groups.length, "group")}` : "Duplicates";
  tell(at("facts"), n_pairs ? [
    n_open ? `${n_open} open` : "all decided", found.n_set_aside ? `${found.n_set_aside} set aside by verdicts` : "",
    `score from ${found.threshold.toFixed(1)} on`].filter(Boolean).join(" · ") : "");
  at("decided").hidden = !n_pairs;
  at("decided").value = n_pairs ? 1 - n_open / n_pairs : 0;
  const open = pairs.find((pair) => !pair.verdict);
  at("first").hidden = !open;
  if (open) at("first").href = reviewOf(open.id);
  const numbers = [...new Set(pairs.map((pair) => pair.group))];
  at("groups").replaceChildren(...numbers.map((number) => group(
    found.groups.find((each) => each.number === number), pairs.filter((pair) => pair.group === number))));
  paging(at("paging"), Number(state.offset), LIMIT, n_pairs, (offset) => change({ offset: String(offset) }));
  tell(at("empty"), pairs.length ? "" : !status.has_duplicates
    ? "No search for duplicates has been made yet. “Find duplicates” compares all sources of the index with each other."
    : n_pairs || state.agree !== "any" || state.verdict !== "all" ? "No pair fits. Show all, or let any agree."
      : "No two sources of this archive share material.");
  at("segments").hidden = !found.segments.length;
  at("segments").querySelector("ul").replaceChildren(...found.segments.map(segment));
}

/** @param {{number: number, names: string[]}|undefined} found without: pairs that a verdict set aside */
function group(found, pairs) {
  return make("section", { class: "group" },
    make("h2", {}, found ? `Group ${found.number}` : "Set aside", found && make("small", {}, count(found.names.length, "source"))),
    ...pairs.map(card));
}

/** @param {Pair} pair */
function card(pair) {
  const sides = [
    { id: pair.one_id, name: pair.one, seconds: pair.one_seconds, share: pair.one_share },
    { id: pair.other_id, name: pair.other, seconds: pair.other_seconds, share: pair.other_share },
  ];
  const spans = pair.spans.map(asSpan);
  const agreement = (name) => make("span", { class: `chip ${pair[name]}` }, `${name} ${pair[name]}`);
  return make("article", { class: "card pair" },
    make("p", { class: "chips" }, make("span", { class: `chip verdict ${pair.verdict}` }, pair.verdict || "open"),
      make("span", { class: "chip strong" }, `${duration(pair.shared_seconds)} shared`),
      agreement("video"), agreement("audio"),
      spans.length > 1 && make("span", { class: "chip" }, count(spans.length, "span"))),
    spanStrips(sides, spans),
    make("a", { href: reviewOf(pair.id), class: "open", "aria-label": `Review ${pair.one} and ${pair.other}` }, "Review"));
}

function segment(found) {
  const [first] = found.places;
  const ignore = make("button", { type: "button", onclick: () => attempt(async () => {
    await call("POST", "/verdicts", { kind: "ignore", names: [], places: found.places });
    notice("The segment is ignored everywhere.", true);
    await show();
  }) }, "Ignore everywhere");
  return make("li", { class: "card" },
    make("p", {}, make("strong", {}, `${duration(found.seconds)} in ${count(found.n_sources, "source")}`)),
    film(first.id, first.start_seconds, first.end_seconds, 8),
    make("details", {}, make("summary", {}, "Places"), make("ul", {}, ...found.places.map((place) =>
      make("li", {}, `${clock(place.start_seconds)} – ${clock(place.end_seconds)} of ${place.name}`)))),
    make("div", { class: "actions" }, ignore));
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
function scope() {
  const form = at("scope"), words = (name) => form[name].value.split(",").map((each) => each.trim()).filter(Boolean);
  return {
    references: words("references"), candidates: words("candidates"), is_across_folders: form.is_across_folders.checked,
    is_mirrored: form.is_mirrored.checked,
    shortest_seconds: Number(form.shortest_seconds.value), shortest_shared_seconds: Number(form.shortest_shared_seconds.value),
    ...(form.longest_seconds.value ? { longest_seconds: Number(form.longest_seconds.value) } : {}),
  };
}

choices(at("verdict"), { all: "All", open: "Open", decided: "Decided" }, state.verdict, (verdict) => change({ verdict }));
choices(at("agree"), { any: "Any", video: "Video", audio: "Audio", both: "Both" }, state.agree, (agree) => change({ agree }));
at("exports").replaceChildren(...Object.entries(FORMS).map(([form, title]) =>
  make("a", { href: `/api/duplicates/export${asQuery({ form })}`, download: form }, title)),
make("a", { href: "/api/verdicts/export", download: "verdicts.jsonl" }, "Verdicts, JSON lines"));
at("find").onclick = () => start({ kind: "duplicates", since_last: at("scope").since_last.checked, scope: scope() });
attempt(show);
watchRuns(at("runs"), () => attempt(show), [at("find")]);
