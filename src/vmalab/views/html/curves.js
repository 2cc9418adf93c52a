// SPDX-License-Identifier: GPL-2.0-or-later
// Curves over the calls of a process, one chart below the other, that zoom and point together.
// They are drawn by uPlot; this says what all of them look like.
"use strict";

const vmalabCurves = (() => {
  const { css, showAt, hideHover, onClick } = vmalabPage;
  const LEFT = 78, NARROW_LEFT = 58;
  // Steps between numbers on an axis of what is counted.
  const WHOLE = Array.from({ length: 10 }, (_, at) => [1, 2, 5].map((first) => first * 10 ** at)).flat();

  const widthOf = (root) => Math.max(260, Math.floor(root.querySelector(".picture").clientWidth));
  const isNarrow = (width) => width < 560;

  // A number on an axis: 12000 as "12k".
  function short(value) {
    if (Math.abs(value) >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
    return Math.abs(value) >= 1e4 ? `${+(value / 1e3).toPrecision(3)}k` : `${+value.toPrecision(6)}`;
  }

  // The options of a chart. extra: of uPlot. last: whether it has the x axis with its title.
  // brief: the title where there is little room. wholeX, wholeY: nothing lies between two numbers.
  function options({ root, height, title, brief = "", last, xTitle, range, wholeX = false,
    wholeY = false, extra = {} }) {
    const width = widthOf(root);
    const label = isNarrow(width) && title.length > 8 ? brief : title;
    const named = Boolean(label);
    const left = isNarrow(width) ? NARROW_LEFT : LEFT;
    const axis = { stroke: css("soft"), grid: { stroke: css("grid"), width: 1 },
      ticks: { stroke: css("grid"), width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
    return {
      width, height: height + (last ? 44 : 16), padding: [10, 8, 0, 0], legend: { show: false },
      cursor: { x: true, y: false, points: { show: false }, drag: { x: true, y: false, dist: 5 },
        focus: { prox: 1e6 } },
      scales: { x: { time: false, range: (u, low, high) => (high > low ? [low, high] : [low, low + 1]) },
        y: { range } },
      axes: [
        { ...axis, ...(wholeX ? { incrs: WHOLE } : {}), show: true, size: last ? 40 : 12,
          label: last ? xTitle : undefined, labelSize: 18,
          labelFont: "12px system-ui, sans-serif",
          values: (u, values) => values.map((value) => (last && xTitle ? short(value) : "")) },
        // Without a title its room belongs to the numbers: all charts begin in the same place.
        { ...axis, ...(wholeY ? { incrs: WHOLE } : {}), size: named ? left : left + 18,
          labelSize: 18, labelGap: 2,
          label: label || undefined, labelFont: "12px system-ui, sans-serif",
          values: (u, values) => values.map(short) },
      ],
      ...extra,
    };
  }

  const line = (label, colour, more = {}) => ({ label, stroke: css(colour), width: 1.6,
    paths: uPlot.paths.stepped({ align: 1 }), points: { show: false }, ...more });

  // Charts of one figure: what one does to the calls in view, all do.
  class Stack {
    constructor() {
      this.charts = [];
      this.zooming = false;
    }

    clear() {
      this.charts.forEach((chart) => chart.destroy());
      this.charts = [];
    }

    // describe(chart) gives the text at the cursor, clicked(chart) leads to details.
    add(root, settings, data, describe, clicked) {
      const box = document.createElement("div");
      root.querySelector(".picture").append(box);
      const hooks = settings.hooks || {};
      settings.hooks = { ...hooks,
        setScale: [(u, key) => { if (key === "x") this.zoom(u); }, ...(hooks.setScale || [])] };
      const chart = new uPlot(settings, data, box);
      chart.over.addEventListener("mousemove", (event) => {
        if (!event.buttons) showAt(describe(chart), event);
      });
      chart.over.addEventListener("mouseleave", hideHover);
      onClick(chart.over, () => { hideHover(); clicked(chart); });
      this.charts.push(chart);
      return chart;
    }

    // Fits the width that there is now; what is in view stays.
    resize(root) {
      const width = widthOf(root);
      for (const chart of this.charts) {
        if (chart.width !== width) chart.setSize({ width, height: chart.height });
      }
    }

    zoom(source) {
      if (this.zooming) return;
      this.zooming = true;
      const { min, max } = source.scales.x;
      for (const chart of this.charts) {
        if (chart !== source) chart.setScale("x", { min, max });
      }
      this.zooming = false;
    }
  }

  // The sample that holds at the cursor: the last one at or before it.
  function sampleAt(chart) {
    const xs = chart.data[0], value = chart.posToVal(chart.cursor.left, "x");
    let low = 0, high = xs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (xs[middle] <= value) low = middle; else high = middle - 1;
    }
    return low;
  }

  // A swatch and a name for each line, below a figure.
  function legend(box, lines) {
    const made = lines.map(([name, colour, how]) => {
      const swatch = document.createElement("i");
      swatch.style.background = colour;
      if (how) swatch.className = how;
      const entry = document.createElement("span");
      entry.append(swatch, name);
      return entry;
    });
    box.append(...made);
  }

  return { Stack, options, line, sampleAt, legend, widthOf, isNarrow, short };
})();
