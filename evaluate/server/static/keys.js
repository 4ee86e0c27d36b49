/** Keys press the buttons that carry them in `data-key`, those of a group only if it has the focus; buttons show their keys. */

import { fill, make } from "/static/elements.js";

const SHOWN = { " ": "Space", ArrowLeft: "←", ArrowRight: "→" };
const HELD = ["ArrowLeft", "ArrowRight", ",", "."]; // a held key repeats only what moves by a step, no decision
const TYPING = "input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]";

/** Show the keys on the buttons of this page and listen. */
export function useKeys() {
  document.querySelectorAll("button[data-key]").forEach(showKey);
  document.addEventListener("keydown", press);
}

/** Show the key on a button; @param {HTMLButtonElement} button @returns {HTMLButtonElement} */
export function showKey(button) {
  const key = button.dataset.key;
  button.type = "button";
  button.setAttribute("aria-keyshortcuts", key === " " ? "Space" : key);
  // Read aloud, an arrow says nothing: the title is then the name.
  if (button.title) button.setAttribute(/[‹›]/.test(button.textContent) ? "aria-label" : "aria-description", button.title);
  button.append(" ", make("kbd", { "aria-hidden": "true" }, SHOWN[key] ?? key));
  // After a click the focus leaves the button: Space then plays instead of pressing it once more.
  button.addEventListener("click", (event) => event.detail && button.blur());
  return button;
}

/** @param {KeyboardEvent} event */
function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(TYPING)) return;
  if (document.querySelector("dialog[open]")) return;
  const isNative = event.target.closest("button, a, summary, label, input, video, [role=button]");
  if (event.key === " " && isNative) return; // it presses what has the focus
  if (event.key.startsWith("Arrow") && event.target.closest("input")) return; // it moves within the choice
  const isHere = (each) => each.closest(".group") === null || each.closest(".group") === event.target.closest(".group");
  const found = [...document.querySelectorAll(`[data-key="${CSS.escape(event.key)}"]`)].find(isHere);
  if (!found || found.disabled || !found.checkVisibility()) return;
  event.preventDefault();
  if (event.repeat && !HELD.includes(event.key)) return;
  if (found.matches(TYPING)) found.focus();
  else found.click();
}

/** Fill a list with the keys of this page and what they do; @param {HTMLElement} list a <dl> */
export const listKeys = (list) => fill(list, ...[...document.querySelectorAll("button[data-key]")].flatMap(({ dataset: { key }, title }) =>
  [make("dt", {}, make("kbd", {}, SHOWN[key] ?? key)), make("dd", {}, title)]));
