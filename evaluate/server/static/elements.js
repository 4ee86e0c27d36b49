/** Makes elements. Names of files may hold anything, so text is set as text and never as markup. */

/** The element of this page. */
export const at = (id) => document.getElementById(id);

/** Make an element with attributes, or properties such as `onclick`; those that are false or null are left out. */
export const make = (tag, properties, ...children) => filled(document.createElement(tag), properties, children);

/** As `make`, for SVG. */
export const draw = (tag, properties, ...children) =>
  filled(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);

function filled(element, properties = {}, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value == null) continue;
    if (name.startsWith("on")) element[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  return fill(element, ...children);
}

/** Replace what an element holds; what is false, null, "" or 0 is left out. */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter(Boolean));
  return element;
}

export const button = (title, onclick, properties = {}) => make("button", { type: "button", onclick, ...properties }, title);

/** A word in a rounded box; nothing without a text. */
export const chip = (kind, text) => text && make("span", { class: `chip ${kind}` }, text);

/** Show text, or hide the element if there is none. */
export function tell(element, text) {
  element.textContent = text || "";
  element.hidden = !text;
}
