// SPDX-License-Identifier: GPL-2.0-or-later
// What all charts share: numbers as people read them, the page's colours, the text at the mouse.
"use strict";

const vmalabPage = (() => {
  const hover = document.createElement("div");
  hover.className = "hover";
  hover.hidden = true;
  document.body.append(hover);

  const css = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const count = (number) => number.toLocaleString("en");

  function unitOf(bytes) {
    const names = ["B", "KiB", "MiB", "GiB", "TiB"];
    let at = 0;
    while (at < names.length - 1 && bytes >= 1024 ** (at + 1)) at++;
    return [names[at], 1024 ** at];
  }

  function size(bytes) {
    const [name, factor] = unitOf(bytes);
    const value = bytes / factor;
    return `${value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1)} ${name}`;
  }

  // Shows a text beside the mouse; an empty one: nothing.
  function showAt(text, { clientX, clientY }) {
    hover.hidden = !text;
    if (!text) return;
    hover.textContent = text;
    const box = hover.getBoundingClientRect();
    const left = clientX + 16 + box.width > innerWidth ? clientX - box.width - 16 : clientX + 16;
    hover.style.left = `${Math.max(4, left)}px`;
    hover.style.top = `${Math.max(4, Math.min(clientY + 16, innerHeight - box.height - 4))}px`;
  }

  // Draws into an element; `describe` gives the text for what the mouse is over.
  function draw(root, div, traces, layout, describe) {
    const first = !div.classList.contains("js-plotly-plot");
    const config = { responsive: true, displaylogo: false,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
    Plotly.react(div, traces, { ...look(), ...layout }, config);
    if (!first) return;
    div.on("plotly_hover", (event) => showAt(describe(event.points), event.event));
    div.on("plotly_unhover", () => { hover.hidden = true; });
    div.on("plotly_click", () => {
      root.querySelector(".pinned").textContent = hover.textContent;
    });
  }

  // What every chart's layout begins with.
  const look = () => ({
    paper_bgcolor: css("back"), plot_bgcolor: css("back"), font: { color: css("ink"), size: 12 },
    hovermode: "x", dragmode: "zoom",
    legend: { orientation: "h", x: 0, xanchor: "left", y: 1, yanchor: "bottom",
      bgcolor: "rgba(0,0,0,0)", font: { size: 11 } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css("soft"), activecolor: css("accent") },
  });

  // What every axis over the calls has.
  const spikes = () => ({
    gridcolor: css("grid"), zeroline: false, showspikes: true, spikemode: "across",
    spikethickness: 1, spikedash: "dot", spikecolor: css("soft"), spikesnap: "cursor",
  });

  return { css, count, unitOf, size, draw, spikes };
})();
