/** Makes elements. Names of files may hold anything, so text is set as text and never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} id @returns {any} the element of this page */
export const at = (id) => document.getElementById(id);

/**
 * @param {string} tag
 * @param {Object<string, any>} [properties] `class`, attributes, or properties such as `onclick`; false and null are left out
 * @param {...(Node|string|null|false)} children
 */
export function make(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** As `make`, for SVG. */
export function draw(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value == null) continue;
    if (name.startsWith("on")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child || child === 0));
  return element;
}

/** Show text, or hide the element if there is none. */
export function tell(element, text) {
  element.textContent = text ?? "";
  element.hidden = !text;
}

/**
 * Fill a fieldset with radio buttons.
 * @param {HTMLElement} fieldset with an id, which names the choice
 * @param {Object<string, string>} options value -> title
 * @param {string} chosen
 * @param {(value: string) => void} onChange
 */
export function choices(fieldset, options, chosen, onChange) {
  fieldset.querySelectorAll("label").forEach((label) => label.remove());
  for (const [value, title] of Object.entries(options)) {
    const input = make("input", { type: "radio", name: fieldset.id, value, onchange: () => onChange(value) });
    input.checked = value === chosen;
    fieldset.append(make("label", {}, input, make("span", {}, title)));
  }
}

/**
 * Buttons to the page before and after.
 * @param {HTMLElement} node
 * @param {number} offset of the first shown
 * @param {number} limit shown at once
 * @param {number} total
 * @param {(offset: number) => void} go
 */
export function paging(node, offset, limit, total, go) {
  const button = (title, to, isOn) => make("button", { type: "button", disabled: !isOn, onclick: () => go(to) }, title);
  const last = Math.min(offset + limit, total);
  node.replaceChildren(...(total > limit ? [
    button("‹ Before", Math.max(0, offset - limit), offset > 0),
    make("span", { class: "muted" }, `${offset + 1}–${last} of ${total.toLocaleString("en")}`),
    button("After ›", offset + limit, last < total),
  ] : []));
}
