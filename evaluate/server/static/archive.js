/** The archive: what is indexed, what cannot be read and why; brings the index up to date. */

import { asQuery, attempt, call, get, media, notice, readAddress, writeAddress } from "/static/api.js";
import { at, choices, make, paging, tell } from "/static/elements.js";
import { useKeys } from "/static/keys.js";
import { start, watchRuns } from "/static/runs.js";
import { film } from "/static/span_strips.js";
import { count, date, duration, parts, size } from "/static/words.js";

const LIMIT = 50;
const DEFAULTS = { search: "", status: "all", sort: "name", descending: "false", offset: "0" };
const COLUMNS = { name: "Name", seconds: "Duration", size_bytes: "Size", modified: "Modified", status: "Status" };
const STATUSES = { all: "All", indexed: "Indexed", unreadable: "Unreadable", gone: "Gone" };

const state = readAddress(DEFAULTS);
let lastScope = null, asked = 0;

function change(values) {
  Object.assign(state, { offset: "0" }, values);
  writeAddress(state, DEFAULTS);
  return attempt(showSources);
}

async function showStatus() {
  const status = await get("/status");
  const n = status.n_sources;
  lastScope = status.last_scope;
  at("headline").textContent = n ? `${count(n, "source")}, ${duration(status.media_seconds)}` : "An empty archive";
  at("facts").textContent = [
    status.folder, status.n_unreadable ? `${status.n_unreadable} cannot be read` : "all can be read",
    `${count(status.n_descriptors, "descriptor")}`, `encoder ${status.encoder}`,
  ].filter(Boolean).join(" · ");
  for (const button of [at("index"), at("duplicates"), at("remove")]) button.hidden = !status.is_writer;
  if (!status.is_writer) notice(`Reading only: ${status.read_only_reason}`);
}

async function showErrors() {
  const errors = await get("/errors"), box = at("errors");
  const n = errors.reduce((sum, each) => sum + each.n_sources, 0);
  box.hidden = !n;
  box.firstElementChild.textContent = `${count(n, "source")} cannot be read, by reason`;
  const again = make("button", { type: "button", onclick: () => start({ kind: "index", folder: null, retry_failed: true }) },
    "Try these again");
  box.lastElementChild.replaceChildren(...errors.map((each) => make("div", { class: "reason" },
    make("p", {}, make("strong", {}, String(each.n_sources)), " ", each.reason),
    make("ul", {}, ...each.names.map((name) => make("li", {}, name)),
      each.n_sources > each.names.length && make("li", { class: "muted" }, `and ${each.n_sources - each.names.length} more`)))),
  make("div", { class: "actions" }, again));
}

async function showSources() {
  showColumns();
  const mine = ++asked, { total, sources } = await get("/sources", { ...state, limit: LIMIT });
  if (mine !== asked) return; // a later choice was answered first
  at("total").textContent = count(total, "source");
  at("sources").replaceChildren(...sources.map(row));
  tell(at("empty"), total ? "" : state.search || state.status !== "all"
    ? "No source fits. Clear the search, or show all."
    : "Nothing is indexed yet. Update the index: it reads the folder that the server was given.");
  document.querySelector("table.sources").hidden = !total;
  paging(at("paging"), Number(state.offset), LIMIT, total, (offset) => change({ offset: String(offset) }));
}

function showColumns() {
  document.querySelector("thead tr").replaceChildren(make("td"), ...Object.entries(COLUMNS).map(([name, title]) => {
    const isSorted = state.sort === name, isDown = isSorted && state.descending === "true";
    const sort = make("button", { type: "button", onclick: () => {
      change({ sort: name, descending: String(isSorted && !isDown) });
      document.querySelector(`th.${name} button`).focus(); // the columns are new
    } }, title, isSorted && make("span", { "aria-hidden": true }, isDown ? " ↓" : " ↑"));
    return make("th", { class: name, scope: "col", "aria-sort": isSorted && (isDown ? "descending" : "ascending") }, sort);
  }));
}

/** @param {{id: string, name: string, seconds: number, size_bytes: number, modified: string, status: string}} source */
function row(source) {
  const [folder, file] = parts(source.name), isRead = source.status === "indexed";
  return make("tr", { class: source.status }, make("td", { class: "film" }, isRead && film(source.id, 0, source.seconds, 3)),
    make("th", { scope: "row" }, make("button", { type: "button", onclick: () => preview(source) },
      folder && make("small", {}, folder), make("span", {}, file)), source.reason && make("small", { class: "why" }, source.reason)),
    make("td", { class: "number" }, isRead ? duration(source.seconds) : "–"),
    make("td", { class: "number" }, size(source.size_bytes)),
    make("td", { class: "number when" }, date(source.modified)),
    make("td", {}, make("span", { class: `state ${source.status}` }, STATUSES[source.status])));
}

function preview(source) {
  const box = at("preview"), video = box.querySelector("video");
  at("preview-name").textContent = source.name;
  tell(at("preview-facts"), source.reason || [duration(source.seconds), size(source.size_bytes), date(source.modified)].join(" · "));
  video.parentElement.hidden = source.status !== "indexed";
  if (source.status === "indexed") video.src = media(source.id);
  at("copies").hidden = source.status !== "indexed";
  at("copies").onclick = async () => {
    at("copies").disabled = true;
    const answer = await attempt(() => call("POST", "/match-path", { path: source.name }));
    at("copies").disabled = false;
    if (answer) location.assign(`/match${asQuery({ query: answer.id })}`);
    else box.close();
  };
  at("remove").onclick = () => attempt(async () => {
    await call("POST", "/sources/remove", { names: [source.name] });
    box.close();
    await Promise.all([showStatus(), showErrors(), showSources()]);
    notice(`${source.name} is out of the index. Its file is untouched.`, true);
  });
  box.onclose = () => video.removeAttribute("src");
  box.showModal();
}

at("search").value = state.search;
let typed;
at("search").oninput = () => {
  clearTimeout(typed);
  typed = setTimeout(() => change({ search: at("search").value }), 200);
};
document.querySelector("form.filters").onsubmit = (event) => event.preventDefault();
choices(at("status"), STATUSES, state.status, (status) => change({ status }));
at("index").onclick = () => start({ kind: "index", folder: null, retry_failed: false });
at("duplicates").onclick = () => start({ kind: "duplicates", since_last: true, scope: lastScope ?? {} });
useKeys();
const refresh = () => attempt(() => Promise.all([showStatus(), showErrors(), showSources()]));
refresh();
watchRuns(at("runs"), (run) => {
  refresh();
  if (run.kind === "duplicates" && run.state === "done") location.assign("/duplicates");
}, [at("index"), at("duplicates")]);
