/** Drop a clip, or name one on the server: its matches in the archive. */

import { attempt, asQuery, call, get, notice, readAddress, upload } from "/static/api.js";
import { at, make, tell } from "/static/elements.js";
import { asSpan, spanStrips } from "/static/span_strips.js";
import { by, count, duration, edits, score } from "/static/words.js";

let abort = null;

/** Run a match while the page shows that it works; @param {(signal: AbortSignal) => Promise<any>} ask */
async function match(name, ask) {
  if (abort) return;
  notice();
  abort = new AbortController();
  at("work").hidden = false;
  at("work-note").textContent = `Matching ${name}`;
  at("work-bar").removeAttribute("value");
  at("answer").replaceChildren();
  const answer = await attempt(() => ask(abort.signal));
  abort = null;
  at("work").hidden = true;
  if (answer) {
    history.pushState(null, "", asQuery({ query: answer.id }));
    show(answer);
  }
  showHistory();
}

const matchFile = (file) => match(file.name, (signal) => upload(file, (share) => {
  at("work-note").textContent = share < 1 ? `Sending ${file.name}` : `Matching ${file.name}`;
  if (share < 1) at("work-bar").value = share;
  else at("work-bar").removeAttribute("value");
}, signal));

/** @param {Object} answer of the API */
function show(answer) {
  const asked = { id: answer.id, name: answer.name, seconds: answer.seconds };
  const found = answer.matches.map((each, number) => ({ ...each, number })).filter((each) => each.reference_id);
  const decided = found.filter((each) => each.decision), weak = found.filter((each) => !each.decision);
  const names = new Set(decided.map((each) => each.reference));
  const headline = answer.unreadable ? "This clip cannot be read"
    : names.size ? `${count(names.size, "source")} of the archive` : "No match";
  at("answer").replaceChildren(...[
    make("h2", {}, headline),
    make("p", { class: "muted" }, answer.unreadable || [answer.name, duration(answer.seconds), answer.reason === "no match" ? "" : answer.reason].filter(Boolean).join(" · ")),
    !answer.unreadable && !names.size && make("p", { class: "muted" },
      "A longer clip, or one with its audio, carries more evidence. Stills and steady audio carry little."),
    ...decided.map((each) => card(asked, each)),
    weak.length ? make("details", { open: !decided.length }, make("summary", {}, `${count(weak.length, "candidate")} below the threshold of ${answer.threshold.toFixed(1)}`),
      ...weak.map((each) => card(asked, each))) : "",
  ].filter(Boolean));
}

function card(asked, found) {
  const reference = { id: found.reference_id, name: found.reference, seconds: found.reference_seconds_total };
  const href = `/review${asQuery({ query: asked.id, match: found.number })}`;
  return make("article", { class: "card pair" },
    make("p", { class: "chips" }, make("span", { class: "chip strong" }, score(found)),
      make("span", { class: "chip" }, by(found)), ...edits(found).map((each) => make("span", { class: "chip edit" }, each)),
      found.verdict && make("span", { class: `chip ${found.verdict}` }, found.verdict)),
    spanStrips([asked, reference], [asSpan(found)]),
    make("a", { href, class: "open", "aria-label": `Review ${asked.name} and ${found.reference}` }, "Review"));
}

async function showHistory() {
  const queries = await attempt(() => get("/queries"));
  at("history").hidden = !queries?.length;
  at("history").querySelector("ul").replaceChildren(...(queries ?? []).map((each) => make("li", {},
    make("a", { href: `/match${asQuery({ query: each.id })}` }, each.name), " ",
    make("span", { class: "muted" }, each.unreadable ? "cannot be read" : duration(each.seconds)),
    make("button", { type: "button", class: "quiet", "aria-label": `Forget ${each.name}`, onclick: () => forget(each.id) }, "Forget"))));
}

const forget = (id) => attempt(async () => {
  await call("DELETE", `/queries/${id}`);
  if (readAddress({ query: "" }).query === id) {
    history.replaceState(null, "", "/match");
    at("answer").replaceChildren();
  }
  await showHistory();
});

const showAddressed = () => attempt(async () => {
  const { query } = readAddress({ query: "" });
  if (query) show(await get(`/queries/${query}`));
  else at("answer").replaceChildren();
});

at("file").onchange = () => at("file").files[0] && matchFile(at("file").files[0]);
at("cancel").onclick = () => abort?.abort();
at("by-path").onsubmit = (event) => {
  event.preventDefault();
  const path = at("path").value.trim();
  match(path, () => call("POST", "/match-path", { path }));
};
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
document.addEventListener("dragleave", (event) => event.relatedTarget || at("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  const file = event.dataTransfer.files[0];
  if (file) matchFile(file);
  else tell(at("notice"), "Drop a file from a folder of this machine.");
});
window.addEventListener("popstate", showAddressed);
showAddressed();
showHistory();
