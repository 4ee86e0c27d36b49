"use strict";
// Everything works by delegation on what the page already holds; only the maps build elements.
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

// The audio of one clip plays at a time: of the clip that was pressed last.
let playing = null;
const hush = () => {
  if (playing) playing.audio.pause();
  playing = null;
};
const play = (clip) => {
  hush();
  const files = JSON.parse(clip.closest(".galleries").querySelector(".audio-data").textContent);
  playing = { clip, audio: new Audio(files[clip.dataset.audio]) };
  playing.audio.play().catch((reason) => console.warn(reason)); // A browser may forbid it: the video plays on.
};
// Each round of the video starts its audio again, so that the two stay together.
document.addEventListener("animationiteration", (event) => {
  if (!playing || !playing.clip.contains(event.target)) return;
  playing.audio.currentTime = 0;
  playing.audio.play().catch((reason) => console.warn(reason));
});

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
  for (const clip of clips) {
    clip.addEventListener("click", () => {
      press(clip, !pressed(clip));
      if (pressed(clip) && clip.dataset.audio !== undefined) play(clip);
      else if (playing && playing.clip === clip) hush();
      label();
    });
  }
  all.addEventListener("click", () => {
    const on = !pressed(all);
    hush();
    for (const clip of clips) press(clip, false);
    void lookup.offsetWidth; // Stop all before starting all: they then run in step.
    for (const clip of clips) press(clip, on);
    label();
  });
}
