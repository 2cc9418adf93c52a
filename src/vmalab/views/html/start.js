// SPDX-License-Identifier: GPL-2.0-or-later
// Draws the pictures that are in view, and others when a process image is chosen.
"use strict";

(() => {
  const KINDS = { timeline: VmalabTimeline, compare: VmalabCompare, flame: VmalabFlame };
  const { figures } = vmalabPage.data;
  const made = new Map();

  function draw() {
    document.querySelectorAll("figure[data-figure]").forEach((root) => {
      if (root.closest("[hidden]")) return;
      if (!made.has(root)) {
        const chart = figures[Number(root.dataset.figure)];
        made.set(root, new KINDS[chart.kind](root, chart));
        root.vmalab = made.get(root);
      }
      made.get(root).draw();
    });
  }

  const chooser = document.getElementById("chooser");
  if (chooser) {
    chooser.addEventListener("change", () => {
      document.querySelectorAll(".part").forEach((part, at) => {
        part.hidden = at !== Number(chooser.value);
      });
      draw();
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  // The width of the page, or what a panel leaves of it.
  let waiting = 0;
  new ResizeObserver(() => {
    clearTimeout(waiting);
    waiting = setTimeout(() => made.forEach((figure, root) => {
      if (!root.closest("[hidden]")) figure.resize();
    }), 60);
  }).observe(document.querySelector("main"));
  // What is written above is to be seen before anything is drawn.
  requestAnimationFrame(() => setTimeout(() => {
    draw();
    document.body.dataset.ready = "yes";
  }, 0));
})();
