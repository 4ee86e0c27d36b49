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

// Sound plays of one clip at a time, of the one that was pressed last.
let playing = null;
const hush = () => {
  if (playing) playing.sound.pause();
  playing = null;
};
const play = (clip) => {
  hush();
  const sounds = JSON.parse(clip.closest(".galleries").querySelector(".sounds").textContent);
  playing = { clip, sound: new Audio(sounds[clip.dataset.sound]) };
  playing.sound.play().catch((reason) => console.warn(reason)); // A browser may forbid it: the picture plays on.
};
// Each round of the picture begins its sound anew: the two stay together.
document.addEventListener("animationiteration", (event) => {
  if (!playing || !playing.clip.contains(event.target)) return;
  playing.sound.currentTime = 0;
  playing.sound.play().catch((reason) => console.warn(reason));
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
      if (pressed(clip) && clip.dataset.sound !== undefined) play(clip);
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
