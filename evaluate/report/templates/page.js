"use strict";
// Everything works by delegation on what the page already holds; only the map builds elements.
for (const set of document.querySelectorAll("fieldset[data-switch]")) {
  const panels = document.querySelectorAll(`[data-panel="${set.dataset.switch}"]`);
  const show = () => {
    const value = set.querySelector("input:checked").value;
    for (const panel of panels) panel.hidden = panel.dataset.value !== value;
  };
  set.addEventListener("change", show);
  show(); // A browser may restore another choice on reload.
}

for (const button of document.querySelectorAll(".expand")) {
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", open);
    let row = button.closest("tr");
    for (let i = 0; i < Number(button.dataset.rows); i++) {
      row = row.nextElementSibling;
      row.hidden = !open;
    }
  });
}

const press = (button, on) => button.setAttribute("aria-pressed", on);
const pressed = (button) => button.getAttribute("aria-pressed") === "true";
for (const lookup of document.querySelectorAll(".lookup")) {
  const clips = [...lookup.querySelectorAll("button.clip")];
  const all = lookup.querySelector(".play-all");
  const label = () => {
    const on = clips.length > 0 && clips.every(pressed);
    press(all, on);
    all.textContent = on ? "Stop" : "Play all";
  };
  for (const clip of clips) clip.addEventListener("click", () => { press(clip, !pressed(clip)); label(); });
  all.addEventListener("click", () => {
    const on = !pressed(all);
    for (const clip of clips) press(clip, false);
    void lookup.offsetWidth; // Stop all before starting all: they then run in step.
    for (const clip of clips) press(clip, on);
    label();
  });
}

function drawMap(data) {
  const svgName = "http://www.w3.org/2000/svg";
  const plane = document.getElementById("plane"), tip = document.getElementById("tip");
  const roles = ["training", "test", "in no part"];
  const hue = (number) => Math.round((number * 360) / data.classes.length + 20);
  const shown = { only: null, roles: new Set([0, 1, 2]) };
  const make = (name, attributes, parent) => {
    const element = document.createElementNS(svgName, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.append(element);
    return element;
  };
  const look = (number) => ({ class: "dot" + (number % 2 ? " odd" : ""), style: `--hue:${hue(number)}` });

  const order = data.points.map((_, i) => i).sort((a, b) => (data.points[a][1] === 1) - (data.points[b][1] === 1));
  const dots = [];
  for (const i of order) {
    const [number, role] = data.points[i];
    const dot = make("circle", { ...look(number), r: role === 1 ? 9 : 6 }, plane);
    dot.classList.add("role" + role);
    dots.push({ i, number, role, dot, at: null });
  }
  const checked = (name) => document.querySelector(`[data-switch="${name}"] input:checked`).value;
  const update = () => {
    const layout = data.layouts[`${checked("map-model")} ${checked("map-modality")}`] || [];
    for (const item of dots) {
      item.at = shown.roles.has(item.role) ? layout[item.i] || null : null;
      item.dot.style.display = item.at ? "" : "none";
      if (item.at) item.dot.style.transform = `translate(${item.at[0]}px, ${1000 - item.at[1]}px)`;
      item.dot.classList.toggle("off", shown.only !== null && shown.only !== item.number);
    }
  };
  for (const set of document.querySelectorAll('[data-switch^="map-"]')) set.addEventListener("change", update);
  for (const box of document.querySelectorAll("input[data-role]")) {
    const apply = () => {
      shown.roles[box.checked ? "add" : "delete"](Number(box.dataset.role));
      update();
    };
    box.addEventListener("change", apply);
    apply();
  }

  const legend = document.getElementById("legend");
  data.classes.forEach((name, number) => {
    const button = document.createElement("button");
    button.type = "button";
    press(button, false);
    make("circle", { ...look(number), cx: 6, cy: 6, r: 5 }, make("svg", { viewBox: "0 0 12 12", "aria-hidden": true }, button));
    button.append(name);
    button.addEventListener("click", () => {
      shown.only = shown.only === number ? null : number;
      [...legend.children].forEach((other, at) => press(other, shown.only === at));
      update();
    });
    legend.append(button);
  });

  let near = null;
  const leave = () => {
    if (near) near.dot.classList.remove("near");
    near = null;
    tip.hidden = true;
  };
  const point = (event) => {
    const box = plane.getBoundingClientRect();
    const scale = 1040 / Math.min(box.width, box.height);
    const x = (event.clientX - box.left - box.width / 2) * scale + 500;
    const y = (event.clientY - box.top - box.height / 2) * scale + 500;
    let best = null, least = 30 * 30;
    for (const item of dots) {
      if (!item.at || (shown.only !== null && shown.only !== item.number)) continue;
      const distance = (item.at[0] - x) ** 2 + (1000 - item.at[1] - y) ** 2;
      if (distance < least) [best, least] = [item, distance];
    }
    if (best === near) return;
    leave();
    if (!best) return;
    near = best;
    best.dot.classList.add("near");
    const title = document.createElement("b");
    title.textContent = data.classes[best.number];
    tip.replaceChildren(title, `${data.points[best.i][2]} (${roles[best.role]})`);
    tip.hidden = false;
    const left = (best.at[0] - 500) / scale + box.width / 2, top = (500 - best.at[1]) / scale + box.height / 2;
    tip.style.left = `${Math.max(4, Math.min(left + 14, box.width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(4, Math.min(top + 14, box.height - tip.offsetHeight - 4))}px`;
  };
  plane.addEventListener("pointermove", point);
  plane.addEventListener("pointerdown", point);
  plane.addEventListener("pointerleave", leave);
  update();
}
const mapData = document.getElementById("map-data");
if (mapData) drawMap(JSON.parse(mapData.textContent));
