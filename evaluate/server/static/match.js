/** Drop a clip or an image, or name one on the server: its matches in the archive. */

import { asQuery, attempt, call, get, notice, upload } from "/static/api.js";
import { candidates } from "/static/comparison.js";
import { at, button, fill, make } from "/static/elements.js";
import { asSpan, pairCard } from "/static/span_strips.js";
import { by, count, duration, score } from "/static/words.js";

let abort = null;
const address = () => Object.fromEntries(new URLSearchParams(location.search));

/** Run a match, which an AbortSignal ends, while the page shows that it works. */
async function match(name, ask) {
  if (abort) return;
  notice();
  abort = new AbortController();
  at("work").hidden = false;
  working(name, 1);
  fill(at("answer"));
  const answer = await attempt(() => ask(abort.signal));
  abort = null;
  at("work").hidden = true;
  if (answer) {
    history.pushState(null, "", asQuery({ query: answer.id }));
    show(answer);
  }
  showHistory();
}

/** Show the share of the bytes that are sent, 0 to 1. */
function working(name, share) {
  at("work-note").textContent = share < 1 ? `Sending ${name}` : `Matching ${name}`;
  if (share < 1) at("work-bar").value = share;
  else at("work-bar").removeAttribute("value");
}

const matchFile = (file) => match(file.name, (signal) => upload(file, (share) => working(file.name, share), signal));

function show(answer) {
  const { of } = address(), found = candidates(answer, of), muted = (...words) => make("p", { class: "muted" }, words.filter(Boolean).join(" · "));
  const { is_image: isImage, unreadable, reason } = answer;
  const decided = found.filter((each) => each.decision || isImage), weak = found.filter((each) => !decided.includes(each));
  const names = new Set(decided.map((each) => each.reference));
  const card = (each) => pairCard(
    [["strong", score(each)], ["", by(each)], ["edit", each.edits], [each.verdict, each.verdict]],
    [{ id: answer.id, name: answer.name, seconds: answer.seconds },
      { id: each.reference_id, name: each.reference, seconds: each.reference_seconds_total }],
    [asSpan(each)], `/review${asQuery({ query: answer.id, match: each.number, of })}`, isImage ? 1 : undefined);
  const [title, words] = unreadable ? [`This ${isImage ? "image was not sought" : "clip cannot be read"}`, unreadable]
    : isImage ? ["An image is never decided", "Nothing changes in it, so it carries too little evidence. "
      + "The frames that show most of it follow, the best first: look at them."]
      : names.size ? [`${count(names.size, of ? "other source" : "source")} of the archive`]
        : ["No match", "A longer clip, or one with its audio, carries more evidence. Stills and steady audio carry little."];
  const isTold = unreadable || isImage, { moved } = answer;
  fill(at("answer"), make("h2", {}, title), muted(answer.name, !isTold && duration(answer.seconds), !isTold && reason !== "no match" && reason),
    words && muted(words),
    !isTold && moved.length && muted(`${moved[0]}${moved.length > 1 ? ` and ${moved.length - 1} more` : ""} had moved or changed since indexing and got no closer look: index the archive again, then match again.`),
    ...decided.map(card),
    weak.length && make("details", { open: !decided.length },
      make("summary", {}, `${count(weak.length, "candidate")} below the threshold of ${answer.threshold.toFixed(1)}`), ...weak.map(card)));
}

async function showHistory() {
  const queries = await attempt(() => get("/queries")) ?? [];
  at("history").hidden = !queries.length;
  fill(at("history").querySelector("ul"), ...queries.map((each) => make("li", {},
    make("a", { href: `/match${asQuery({ query: each.id })}` }, each.name),
    make("span", { class: "muted" }, each.unreadable ? "cannot be read" : each.is_image ? "image, undecided" : `${duration(each.seconds)}, ${each.n_matches ? count(each.n_matches, "match", "es") : "no match"}`),
    button("Forget", () => forget(each.id), { class: "quiet", "aria-label": `Forget ${each.name}` }))));
}

const forget = (id) => attempt(async () => {
  await call("DELETE", `/queries/${id}`);
  if (address().query === id) {
    history.replaceState(null, "", "/match");
    fill(at("answer"));
  }
  await showHistory();
});

const showAddressed = () => attempt(async () => {
  const { query } = address();
  if (query) show(await get(`/queries/${query}`));
  else fill(at("answer"));
});

at("file").onchange = () => at("file").files[0] && matchFile(at("file").files[0]);
at("cancel").onclick = () => abort?.abort();
at("by-path").onsubmit = (event) => {
  event.preventDefault();
  const path = at("path").value.trim();
  match(path, (signal) => call("POST", "/match-path", { path }, signal));
};
const over = (isOver) => (event) => {
  event.preventDefault();
  at("drop").classList.toggle("over", isOver || Boolean(event.relatedTarget));
};
document.addEventListener("dragover", over(true));
document.addEventListener("dragleave", over(false));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) matchFile(file);
  else notice("Drop a file from a folder of this machine.");
});
window.addEventListener("popstate", showAddressed);
showAddressed();
showHistory();
