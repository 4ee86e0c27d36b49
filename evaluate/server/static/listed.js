/** A list by pages, whose choices live in the address, so that they survive back and reload. */

import { asQuery, attempt } from "/static/api.js";
import { at, button, fill, make } from "/static/elements.js";

const LIMIT = 50, TYPING_MS = 200;

/**
 * Follow the form #filters and the buttons of #paging: `ask` with the choices, and `show` the answer, which returns how
 * many there are in all. `defaults` are of all choices, in the form or not.
 */
export function listed(defaults, ask, show) {
  const form = at("filters"), given = new URLSearchParams(location.search);
  const state = { ...defaults, offset: "0" };
  let asked = 0, typed = 0;
  for (const name of Object.keys(state)) {
    state[name] = given.get(name) ?? state[name];
    if (form.elements[name]) form.elements[name].value = state[name];
  }
  const refresh = () => attempt(async () => {
    const mine = ++asked, answer = await ask({ ...state, limit: LIMIT });
    if (mine !== asked) return; // a later choice was answered first
    const total = show(answer, state), offset = Number(state.offset);
    if (offset && offset >= total) await change({ offset: String(Math.max(0, Math.ceil(total / LIMIT) - 1) * LIMIT) }); // it became shorter
    else page(total);
  });
  const change = (values) => {
    Object.assign(state, { offset: "0" }, values);
    const told = Object.entries(state).filter(([name, value]) => value !== { offset: "0", ...defaults }[name]);
    history.replaceState(null, "", location.pathname + asQuery(Object.fromEntries(told)));
    return refresh();
  };
  function page(total) {
    const first = Number(state.offset), last = Math.min(first + LIMIT, total);
    const step = (title, to, isOn) => button(title, () => change({ offset: String(to) }), { disabled: !isOn });
    fill(at("paging"), ...(total > LIMIT ? [step("‹ Before", Math.max(0, first - LIMIT), first > 0),
      make("span", { class: "muted" }, `${first + 1}–${last} of ${total.toLocaleString("en")}`),
      step("After ›", first + LIMIT, last < total)] : []));
  }
  form.oninput = (event) => {
    clearTimeout(typed);
    typed = setTimeout(() => change(Object.fromEntries(new FormData(form))), event.target.type === "search" ? TYPING_MS : 0);
  };
  form.onsubmit = (event) => event.preventDefault();
  return { state, change, refresh };
}
