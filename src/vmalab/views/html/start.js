// SPDX-License-Identifier: GPL-2.0-or-later
// Draws the part of the page that is in view, and another one when it is chosen.
"use strict";

(() => {
  const KINDS = { timeline: VmalabTimeline, compare: VmalabCompare };
  const data = JSON.parse(document.getElementById("data").textContent);
  const parts = data.parts.map(({ chart }, at) => {
    const root = document.querySelector(`.part[data-part="${at}"]`);
    return { root, chart: chart ? new KINDS[chart.kind](root, chart) : null };
  });
  let shown = 0;

  function show(chosen) {
    shown = chosen;
    parts.forEach(({ root }, at) => { root.hidden = at !== chosen; });
    if (parts[chosen] && parts[chosen].chart) parts[chosen].chart.draw();
  }

  const chooser = document.getElementById("chooser");
  if (chooser) chooser.addEventListener("change", () => show(Number(chooser.value)));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(shown));
  show(0);
  document.body.dataset.ready = "yes";
})();
