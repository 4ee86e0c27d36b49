/** The archive: what is indexed, what cannot be read and why; brings the index up to date. */

import { asQuery, attempt, call, get, media, notice } from "/static/api.js";
import { unload } from "/static/clip.js";
import { at, button, fill, make, tell } from "/static/elements.js";
import { useKeys } from "/static/keys.js";
import { listed } from "/static/listed.js";
import { start, watchRuns } from "/static/runs.js";
import { film, named } from "/static/span_strips.js";
import { count, date, duration, size } from "/static/words.js";

const STATUSES = { indexed: "Indexed", unreadable: "Unreadable", gone: "Gone" };

const columns = document.querySelectorAll("thead th");
let lastScope = null;
const list = listed({ search: "", status: "all", sort: "name", descending: "false" }, (asked) => get("/sources", asked), showSources);

async function showStatus() {
  const status = await get("/status"), n = status.n_sources;
  lastScope = status.last_scope;
  at("headline").textContent = n ? `${count(n, "source")}, ${duration(status.media_seconds)}` : "An empty archive";
  at("facts").textContent = [status.folder, status.n_unreadable ? `${status.n_unreadable} cannot be read` : n && "all can be read",
    n && count(status.n_descriptors, "descriptor"), n && `encoder ${status.encoder}`].filter(Boolean).join(" · ");
  at("index").hidden = at("remove").hidden = !status.is_writer;
  at("duplicates").hidden = !status.is_writer || !n;
  if (!status.is_writer) notice(`Reading only: ${status.read_only_reason}`);
}

function showWatched({ folder, n_waiting, n_matched, n_found, n_failed, problem, last }) {
  const box = at("watched"), [told, why] = box.children;
  box.hidden = false;
  fill(told, make("strong", {}, `Watching ${folder}`), ` · ${[`${n_waiting + n_matched + n_failed} came in`, n_waiting && `${n_waiting} waiting`,
    n_matched && `${n_matched} matched, ${n_found} found in the archive`, n_failed && `${n_failed} could not be read`].filter(Boolean).join(" · ")}`);
  tell(why, problem);
  fill(box.lastElementChild, ...last.map((each) => make("li", {},
    each.query ? make("a", { href: `/match${asQuery({ query: each.query })}` }, each.name) : each.name,
    make("small", {}, ` ${each.problem || each.references.join(", ") || "no match"}`))));
}

async function showErrors() {
  const errors = await get("/errors"), box = at("errors");
  const n = errors.reduce((sum, each) => sum + each.n_sources, 0);
  box.hidden = !n;
  box.firstElementChild.textContent = `${count(n, "source")} cannot be read, by reason`;
  fill(box.lastElementChild, ...errors.map((each) => make("div", { class: "reason" },
    make("p", {}, make("strong", {}, String(each.n_sources)), " ", each.reason),
    make("ul", {}, ...each.names.map((name) => make("li", {}, name)),
      each.n_sources > each.names.length && make("li", { class: "muted" }, `and ${each.n_sources - each.names.length} more`)))),
  make("div", { class: "actions" }, button("Try these again", () => start({ kind: "index", retry_failed: true }))));
}

function showSources({ total, sources }, state) {
  columns.forEach((each) => { each.ariaSort = each.className !== state.sort ? null : state.descending === "true" ? "descending" : "ascending"; });
  const isFiltered = state.search || state.status !== "all";
  at("total").textContent = count(total, "file");
  fill(at("sources"), ...sources.map(row));
  tell(at("empty"), total ? "" : isFiltered ? "No source fits. Clear the search, or show all."
    : "Nothing is indexed yet. “Update index” reads the folder above; files that it finds are listed here.");
  document.querySelector("table.sources").hidden = !total;
  at("filters").hidden = !total && !isFiltered;
  return total;
}

function row(source) {
  const isRead = source.status === "indexed", name = button("", () => preview(source));
  name.append(named(source.name));
  return make("tr", { class: source.status }, make("td", { class: "film" }, isRead && film(source.id, 0, source.seconds, 3)),
    make("th", { scope: "row" }, name, source.reason && make("small", { class: "why" }, source.reason)),
    make("td", { class: "number" }, isRead ? duration(source.seconds) : "–"),
    make("td", { class: "number" }, size(source.size_bytes)),
    make("td", { class: "number when" }, date(source.modified)),
    make("td", {}, make("span", { class: `state ${source.status}` }, STATUSES[source.status])));
}

function preview(source) {
  const box = at("preview"), video = box.querySelector("video"), isRead = source.status === "indexed";
  at("preview-name").textContent = source.name;
  tell(at("preview-facts"), source.reason || [duration(source.seconds), size(source.size_bytes), date(source.modified)].join(" · "));
  video.parentElement.hidden = at("copies").hidden = !isRead;
  if (isRead) video.src = media(source.id);
  at("copies").onclick = async () => {
    at("copies").disabled = true;
    const answer = await attempt(() => call("POST", "/match-path", { path: source.name }));
    at("copies").disabled = false;
    if (answer) location.assign(`/match${asQuery({ query: answer.id, of: source.id })}`);
    else box.close();
  };
  at("remove").onclick = async () => {
    const removed = await attempt(() => call("POST", "/sources/remove", { names: [source.name] }));
    box.close(); // a message is behind it
    if (!removed) return;
    await refresh();
    notice(`${source.name} is out of the index. Its file is untouched.`, true);
  };
  box.onclose = () => unload(video);
  box.showModal();
}

columns.forEach((each) => each.firstChild.onclick = () => // the choices of now: the table may still show former ones
  list.change({ sort: each.className, descending: String(list.state.sort === each.className && list.state.descending === "false") }));
at("index").onclick = () => start({ kind: "index" });
at("duplicates").onclick = () => start({ kind: "duplicates", since_last: true, scope: lastScope ?? {} });
useKeys();
const refresh = () => attempt(() => Promise.all([showStatus(), showErrors(), list.refresh()]));
refresh();
watchRuns(at("runs"), (run) => {
  refresh();
  if (run.kind === "duplicates" && run.state === "done") location.assign("/duplicates");
}, [at("index"), at("duplicates")], showWatched);
