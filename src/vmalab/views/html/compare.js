// SPDX-License-Identifier: GPL-2.0-or-later
// The chart of a comparison: the same numbers over the calls of two runs, one below the other.
"use strict";

const VmalabCompare = (() => {
  const { css, count, size, unitOf, draw, spikes } = vmalabPage;
  const COLOURS = ["vmas", "reachable"];
  const ROW_HEIGHT = 210, GAP = 34, TOP = 34, BOTTOM = 46;

  // Draws `runs` (each a name and its samples by column); `rows` tells which columns, and of what.
  class Compare {
    constructor(root, chart) {
      this.root = root;
      this.chart = chart;
      this.rows = chart.rows.filter(({ column }) =>
        chart.runs.some(({ samples }) => samples[column].some((value) => value > 0)));
    }

    draw() {
      const traces = [];
      const inner = this.rows.length * (ROW_HEIGHT + GAP) - GAP;
      const layout = {
        height: inner + TOP + BOTTOM, margin: { l: 112, r: 12, t: TOP, b: BOTTOM },
        xaxis: { ...spikes(), title: { text: "memory calls of this process image" },
          anchor: this.rows.length > 1 ? `y${this.rows.length}` : "y" },
      };
      this.rows.forEach(({ column, title, bytes }, row) => {
        const name = row ? `y${row + 1}` : "y";
        const largest = Math.max(1, ...this.chart.runs.flatMap(({ samples }) => samples[column]));
        const [unit, factor] = bytes ? unitOf(largest) : ["", 1];
        const top = inner - row * (ROW_HEIGHT + GAP);
        layout[name.replace("y", "yaxis")] = {
          domain: [(top - ROW_HEIGHT) / inner, top / inner], rangemode: "tozero", anchor: "x",
          title: { text: unit ? `${title}, ${unit}` : title, standoff: 8 },
          gridcolor: css("grid"), zerolinecolor: css("line"),
        };
        this.chart.runs.forEach((run, at) => traces.push({
          type: "scatter", mode: "lines", name: run.name, x: run.samples.index, yaxis: name,
          y: run.samples[column].map((value) => value / factor), customdata: [at],
          hoverinfo: "none", legendgroup: run.name, showlegend: row === 0,
          line: { shape: "hv", width: 1.8, color: css(COLOURS[at]) },
        }));
      });
      draw(this.root, this.root.querySelector(".chart"), traces, layout,
        (points) => points.map((point) => this.describe(point)).join("\n"));
    }

    describe({ data, pointIndex }) {
      const { name, samples } = this.chart.runs[data.customdata[0]];
      const line = samples.line[pointIndex];
      return [
        `${name}: after call ${count(samples.index[pointIndex])}${line ? `, line ${line}` : ""}`,
        `  ${samples.call[pointIndex]}`,
        `  ${count(samples.vmas[pointIndex])} VMAs, mapped ${size(samples.mapped[pointIndex])}, `
          + `${count(samples.failures[pointIndex])} failed calls so far`,
      ].join("\n");
    }
  }

  return Compare;
})();
