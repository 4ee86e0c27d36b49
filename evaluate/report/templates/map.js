
// The maps: dots that move between layouts and change colour by class, split or group.
function drawMap(root) {
  const data = JSON.parse(root.querySelector(".map-data").textContent);
  const svgName = "http://www.w3.org/2000/svg";
  const plane = root.querySelector(".plane svg"), tip = root.querySelector(".tip"), legend = root.querySelector(".legend");
  const roles = ["training", "test", "in no part"], longestLegend = 60;
  const colourings = {
    class: { names: data.classes, of: (point) => point[0], hue: (number) => Math.round((number * 360) / data.classes.length + 20) },
    split: { names: roles, of: (point) => point[1], hue: (number) => [250, 40, 140][number] },
    // The golden angle: neighbours in number are far apart in hue.
    group: { names: data.recordings, of: (point) => point[3], hue: (number) => Math.round((number * 137.508) % 360) },
  };
  const shown = { only: null, roles: new Set([0, 1, 2]) };
  let colouring = colourings.class;
  const make = (name, attributes, parent) => {
    const element = document.createElementNS(svgName, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    parent.append(element);
    return element;
  };
  const paint = (element, number) => {
    element.style.setProperty("--hue", colouring.hue(number));
    element.classList.toggle("odd", number % 2 === 1);
  };

  const order = data.points.map((_, i) => i).sort((a, b) => (data.points[a][1] === 1) - (data.points[b][1] === 1));
  const dots = order.map((i) => {
    const role = data.points[i][1];
    return { point: data.points[i], i, role, at: null, dot: make("circle", { class: `dot role${role}`, r: role === 1 ? 9 : 6 }, plane) };
  });
  const isOut = (item) => shown.only !== null && shown.only !== colouring.of(item.point);
  const checked = (name) => root.querySelector(`[data-switch$="-map-${name}"] input:checked`).value;
  const update = () => {
    const layout = data.layouts[checked("model")][checked("modality")] || [];
    for (const item of dots) {
      item.at = shown.roles.has(item.role) ? layout[item.i] || null : null;
      item.dot.style.display = item.at ? "" : "none";
      if (item.at) item.dot.style.transform = `translate(${item.at[0]}px, ${1000 - item.at[1]}px)`;
      paint(item.dot, colouring.of(item.point));
      item.dot.classList.toggle("off", isOut(item));
    }
  };
  const entry = (name, number) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", false);
    paint(make("circle", { class: "dot", cx: 6, cy: 6, r: 5 }, make("svg", { viewBox: "0 0 12 12", "aria-hidden": true }, button)), number);
    button.append(name);
    button.addEventListener("click", () => {
      shown.only = shown.only === number ? null : number;
      [...legend.children].forEach((other, at) => other.setAttribute("aria-pressed", shown.only === at));
      update();
    });
    return button;
  };
  const recolour = () => {
    colouring = colourings[checked("colour")];
    shown.only = null;
    if (colouring.names.length <= longestLegend) legend.replaceChildren(...colouring.names.map(entry));
    else legend.replaceChildren(`${colouring.names.length} names are too many to list; point at a dot.`);
    update();
  };
  for (const set of root.querySelectorAll("[data-switch]")) set.addEventListener("change", set.dataset.switch.endsWith("colour") ? recolour : update);
  for (const box of root.querySelectorAll("input[data-role]")) {
    const apply = () => {
      shown.roles[box.checked ? "add" : "delete"](Number(box.dataset.role));
      update();
    };
    box.addEventListener("change", apply);
    apply();
  }

  let near = null;
  const leave = () => {
    if (near) near.dot.classList.remove("near");
    near = null;
    tip.hidden = true;
  };
  const point = (event) => {
    const onScreen = plane.getScreenCTM();
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(onScreen.inverse());
    let best = null, least = 30 * 30;
    for (const item of dots) {
      if (!item.at || isOut(item)) continue;
      const distance = (item.at[0] - x) ** 2 + (1000 - item.at[1] - y) ** 2;
      if (distance < least) [best, least] = [item, distance];
    }
    if (best === near) return;
    leave();
    if (!best) return;
    near = best;
    best.dot.classList.add("near");
    const title = document.createElement("b");
    title.textContent = data.classes[best.point[0]];
    tip.replaceChildren(title, `${best.point[2]} (${roles[best.role]})`);
    tip.hidden = false;
    const at = new DOMPoint(best.at[0], 1000 - best.at[1]).matrixTransform(onScreen), box = plane.getBoundingClientRect();
    const left = at.x - box.left, top = at.y - box.top;
    tip.style.left = `${Math.max(4, Math.min(left + 14, box.width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(4, Math.min(top + 14, box.height - tip.offsetHeight - 4))}px`;
  };
  plane.addEventListener("pointermove", point);
  plane.addEventListener("pointerdown", point);
  plane.addEventListener("pointerleave", leave);
  recolour();
}
document.querySelectorAll(".embedding-map").forEach(drawMap);
