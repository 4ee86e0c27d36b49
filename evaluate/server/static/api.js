/** Calls of the server's API; what fails is an ApiError whose message can be shown. */

import { at, button, tell } from "/static/elements.js";

export class ApiError extends Error {}

const GOOD_SECONDS = 8;
const AWAY = "The server cannot be reached. Start it again, then reload this page.";

function failure(text, status) {
  if (status === 401) return new ApiError("This session has ended: open the address that the server printed.");
  let detail = "";
  try {
    detail = JSON.parse(text).detail;
  } catch { /* no JSON: a proxy's words, or none */ }
  return new ApiError(detail || `The server answered ${status}.`);
}

/** Call a path below /api; a body is sent as JSON. */
export async function call(method, path, body, signal) {
  let answer;
  try {
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
    answer = await fetch(`/api${path}`, { method, signal, ...json });
  } catch {
    throw new ApiError(signal?.aborted ? "" : AWAY);
  }
  const text = await answer.text();
  if (!answer.ok) throw failure(text, answer.status);
  return text ? JSON.parse(text) : null;
}

/** Get a path below /api; empty parameters are left out. */
export const get = (path, query = {}) => call("GET", path + asQuery(query));

export function asQuery(values) {
  const kept = Object.entries(values).filter(([, value]) => value !== "" && value != null);
  return kept.length ? `?${new URLSearchParams(kept)}` : "";
}

/** Send a file to be matched; `onProgress` gets the share of the bytes that are sent, 0 to 1. */
export function upload(file, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `/api/match${asQuery({ name: file.name })}`);
    request.upload.onprogress = (event) => onProgress(event.loaded / Math.max(event.total, 1));
    request.onload = () => request.status < 300 ? resolve(JSON.parse(request.responseText))
      : reject(failure(request.responseText, request.status));
    request.onerror = () => reject(new ApiError(AWAY));
    signal.onabort = () => { request.abort(); reject(new ApiError("")); };
    request.send(file);
  });
}

export const media = (id) => `/api/media/${id}`;

/** The address of `n` stills between two seconds. */
export const strip = (id, start, end, n) =>
  `${media(id)}/strip${asQuery({ start: start.toFixed(2), end: Math.max(end, start + 0.1).toFixed(2), n })}`;

let leaving = 0;

/** Show an error or a text at the top of the page, or take it away; good news leaves by itself. `onUndo` adds a button. */
export function notice(problem, isGood = false, onUndo = null) {
  if (problem instanceof Error && !(problem instanceof ApiError)) console.error(problem);
  const node = at("notice");
  tell(node, problem?.message ?? problem);
  if (onUndo) node.append(" ", button("Undo", onUndo));
  node.classList.toggle("good", isGood);
  clearTimeout(leaving);
  if (isGood) leaving = setTimeout(() => tell(node, ""), 1000 * GOOD_SECONDS);
}

/** Run what a person asked for; what fails is shown. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    notice(error);
    return null;
  }
}
