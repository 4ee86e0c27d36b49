/** The review: two videos in step at a matched place, and the decision of a person. */

import { attempt, get, notice } from "/static/api.js";
import { Clip, isEdited } from "/static/clip.js";
import { load, swapped } from "/static/comparison.js";
import { at, chip, fill, tell } from "/static/elements.js";
import { showFacts } from "/static/facts.js";
import { InStep, lead } from "/static/in_step.js";
import { listKeys, useKeys } from "/static/keys.js";
import { showLanes } from "/static/lanes.js";
import { drawMap } from "/static/span_map.js";
import { named } from "/static/span_strips.js";
import { decide, showUndo, undo } from "/static/verdicts.js";
import { by, clock, parts, score } from "/static/words.js";

const RATES = [1, 0.5, 0.25, 2];
const figures = () => [...document.querySelectorAll("#stage .side")];
const videos = () => figures().map((figure) => figure.querySelector("video"));

/** @type {import("./comparison.js").Comparison} */
let shown = null;
/** @type {InStep} */
let player = null;
/** @type {Clip[]} */
let clips = [];
let infos = [], isAlike = false, isDeciding = false, drawn = -1, showMoment = () => {}, showLaneMoment = () => {};

/** Show what an address names, and play on if the one before did. */
async function open(address, plays = false) {
  const found = await load(new URL(address, location.href).search);
  const known = await Promise.all(found.sides.map((side) => get(`/media/${side.id}/info`)));
  player?.close();
  [shown, infos, isAlike] = [found, known, false];
  at("review").hidden = false;
  tell(at("empty"), "");
  clips = videos().map((video, i) => new Clip(video, shown.sides[i].id, infos[i], figures()[i].querySelector(".problem")));
  begin(shown.spans[shown.at].start[0], shown.at, 0);
  if (plays) player.play();
  document.title = `${names()} – Avtempo`;
}

/** Make the player and everything around it, at second `t` of the left one, on span `n`. */
function begin(t, n, sounding) {
  player = new InStep(clips, shown.spans, tick);
  player.setSounding(sounding);
  player.seek(t, n);
  drawn = -1;
  showMoment = drawMap(at("map"), shown, (to, span) => player.seek(to, span));
  tell(at("position"), shown.place);
  const isPair = shown.back.startsWith("/duplicates"), goes = shown.sides.find((side) => side.name !== shown.kept);
  at("back").textContent = isPair ? "‹ Duplicates" : "‹ Matches";
  at("back").href = shown.back;
  figures().forEach((figure, i) => {
    fill(figure.querySelector("figcaption div"), named(shown.sides[i].name));
    videos()[i].setAttribute("aria-label", `${i ? "Right" : "Left"}: ${shown.sides[i].name}`);
  });
  showFacts(at("facts"), shown, infos.map((info) => info.facts));
  at("told").textContent = isPair ? "Which to keep" : "The files";
  at("told").parentElement.hidden = infos.some((info) => info.is_image);
  tell(at("proposal"), shown.kept ? `Keep ${parts(shown.kept)[1]}; ${parts(goes.name)[1]} may go: ${shown.reason}.`
    : isPair && `This pair: ${shown.reason}.`);
  at("keep").hidden = at("ignore").hidden = !isPair;
  at("ignore").disabled = Boolean(shown.spans[0].isWhole);
  for (const verdict of ["same", "different"]) at(verdict).setAttribute("aria-pressed", shown.verdict === verdict);
  for (const way of ["previous", "next"]) at(way).disabled = !shown.to[way];
  showUndo();
  dress();
}

/** Show what depends on switches: which side sounds, whether both look alike. */
function dress() {
  const side = player.sounding ? "right" : "left", word = (id, text) => { at(id).firstChild.textContent = text; };
  figures().forEach((figure, i) => {
    figure.querySelector(".sounds").hidden = i !== player.sounding || !infos[i].has_audio;
    clips[i].dress(figure.querySelector(".outline"), i === shown.edited ? player.span.view : null, isAlike);
  });
  word("keep", `Keep ${side}`);
  word("sound", `Sound: ${side}`);
  word("rate", `Speed ${player.rate}×`);
  at("alike").hidden = !shown.spans.some((span) => isEdited(span.view));
  at("alike").setAttribute("aria-pressed", isAlike);
}

/** Show what depends on the span. */
function showSpan() {
  const { span } = player;
  drawn = player.at;
  showLaneMoment = showLanes(at("lanes"), shown, infos, drawn, (t, i) => player.seek(i ? lead(span, t) : t));
  at("span").textContent = `Span ${drawn + 1} of ${shown.spans.length}`;
  at("span-back").disabled = drawn === 0;
  at("span-on").disabled = drawn === shown.spans.length - 1;
  fill(at("chips"), chip(`verdict ${shown.verdict}`, shown.verdict || "open"), !span.isWhole && chip("strong", score(span)),
    !span.isWhole && chip("", by(span)), chip("edit", span.edits), ...shown.told.map((each) => chip(...each)));
  dress();
}

/** At each frame: the moment on map, strips and clocks. */
function tick({ times, at: n, isPlaying }) {
  if (n !== drawn) showSpan();
  showMoment(times, n);
  showLaneMoment(times);
  figures().forEach((figure, i) => { figure.querySelector("time").textContent = clock(times[i]); });
  at("play").firstChild.textContent = isPlaying ? "Pause" : "Play";
}

/** Go to another pair without loading the page anew: the sound that a key has allowed stays allowed. */
async function go(address) {
  await open(address, player.isPlaying);
  history.pushState(null, "", address);
}

/** Keep a decision, a verdict of POST /api/verdicts, then go on. Until the next pair is open no other one is taken. */
async function judge(body, title, stays = at("stay").checked) {
  if (isDeciding) return;
  isDeciding = true;
  await attempt(async () => {
    await decide([body], title);
    const { open: next } = shown.to;
    if (!stays && next) await go(next);
    else await open(location.href, player.isPlaying);
    notice(`${title}${!stays && !next ? " – nothing is left to decide here." : ""}`, true);
  });
  isDeciding = false;
}

const ids = () => shown.sides.map((side) => side.id);
const file = (i) => parts(shown.sides[i].name)[1];
const names = () => `${file(0)} and ${file(1)}`;
const stepBy = (seconds) => player.seek(player.times[0] + seconds);
const frame = () => 1 / (infos[0].fps || 25);
const toSpan = (n) => shown.spans[n] && player.seek(shown.spans[n].start[0], n);
const actions = {
  play: () => player.isPlaying ? player.pause() : player.play(),
  "step-back": () => stepBy(-1), "step-on": () => stepBy(1),
  "frame-back": () => stepBy(-frame()), "frame-on": () => stepBy(frame()),
  "span-back": () => toSpan(player.at - 1), "span-on": () => toSpan(player.at + 1),
  rate: () => { player.rate = RATES[(RATES.indexOf(player.rate) + 1) % RATES.length]; dress(); },
  sound: () => { player.setSounding(1 - player.sounding); dress(); },
  alike: () => { isAlike = !isAlike; dress(); },
  swap: () => {
    const { times, at: n, sounding, isPlaying, rate } = player;
    player.close();
    [shown, infos, clips] = [swapped(shown), infos.toReversed(), clips.toReversed()];
    figures()[1].after(figures()[0]); // the media keep what they have loaded
    begin(times[1], n, 1 - sounding);
    player.rate = rate;
    if (isPlaying) player.play();
  },
  same: () => judge({ kind: "same", ids: ids() }, `Same: ${names()}`),
  different: () => judge({ kind: "different", ids: ids() }, `Different: ${names()}`),
  ignore: () => {
    const [start_seconds, end_seconds] = [player.span.start[0], player.span.end[0]];
    judge({ kind: "ignore", ids: [ids()[0]], start_seconds, end_seconds },
      `Ignored everywhere: ${clock(start_seconds)} to ${clock(end_seconds)} of ${file(0)}`);
  },
  keep: () => judge({ kind: "keep", ids: [ids()[player.sounding]] }, `Kept: ${file(player.sounding)}`, true),
  undo: () => undo(({ address }) =>
    address.startsWith("/review") && address !== location.pathname + location.search ? go(address) : open(location.href)),
  previous: () => attempt(() => go(shown.to.previous)), next: () => attempt(() => go(shown.to.next)),
  help: () => { listKeys(at("keys").querySelector("dl")); at("keys").showModal(); },
};

useKeys();
for (const [id, action] of Object.entries(actions)) at(id).onclick = action;
at("stay").checked = localStorage.getItem("stay") === "yes";
at("stay").onchange = () => localStorage.setItem("stay", at("stay").checked ? "yes" : "");
videos().forEach((video) => video.addEventListener("loadedmetadata", dress));
new ResizeObserver(() => shown && dress()).observe(at("stage"));
window.addEventListener("popstate", () => attempt(() => open(location.href)));
if (!location.search) tell(at("empty"), "Choose a pair on the page of duplicates, or a match of a clip: it opens here.");
else attempt(() => open(location.href)).then(() => shown || tell(at("empty"), "There is nothing to show here. Go back to the list."));
