// SPDX-License-Identifier: GPL-2.0-or-later
// Walks through a lesson: one slide at a time, by buttons or by the arrow keys.
"use strict";

(() => {
  const slides = [...document.querySelectorAll(".slide")];
  const at = document.getElementById("at");
  let shown = 0, all = false;

  function show(number) {
    shown = Math.min(Math.max(number, 0), slides.length - 1);
    slides.forEach((slide, index) => { slide.hidden = !all && index !== shown; });
    at.textContent = all ? `${slides.length} steps` : `${shown + 1} of ${slides.length}`;
    document.getElementById("all").textContent = all ? "one by one" : "all steps";
  }

  const step = (more) => { all = false; show(shown + more); };
  document.getElementById("back").addEventListener("click", () => step(-1));
  document.getElementById("next").addEventListener("click", () => step(1));
  document.getElementById("all").addEventListener("click", () => { all = !all; show(shown); });
  addEventListener("keydown", ({ key }) => {
    if (key === "ArrowRight" || key === "PageDown" || key === " ") step(1);
    if (key === "ArrowLeft" || key === "PageUp") step(-1);
    if (key === "Home") step(-slides.length);
    if (key === "End") step(slides.length);
  });
  // On paper there are all.
  addEventListener("beforeprint", () => { all = true; show(shown); });
  document.querySelector(".walk").hidden = slides.length < 2;
  show(0);
  document.body.dataset.ready = "yes";
})();
