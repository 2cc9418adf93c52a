// SPDX-License-Identifier: GPL-2.0-or-later
// The chart of a comparison: one number over the calls, a curve for each way that it could go.
"use strict";

const VmalabCompare = (() => {
  const { css, count, draw, spikes } = vmalabPage;
  const COLOURS = ["vmas", "reachable", "data", "locked"];
  const HEIGHT = 420;

  // Draws the curves; each has columns x, y and what to say of each point.
  class Compare {
    constructor(root, chart) {
      this.root = root;
      this.chart = chart;
    }

    draw() {
      const traces = this.chart.lines.map((line, at) => ({
        type: "scatter", mode: "lines", name: line.name, x: line.x, y: line.y, hoverinfo: "none",
        line: { shape: "hv", width: 1.8, color: css(COLOURS[at % COLOURS.length]) },
      }));
      const layout = {
        height: HEIGHT, margin: { l: 80, r: 12, t: 34, b: 46 },
        xaxis: { ...spikes(), title: { text: this.chart.over } },
        yaxis: { gridcolor: css("grid"), zerolinecolor: css("line"), rangemode: "tozero",
          title: { text: this.chart.what } },
      };
      const div = this.root.querySelector(".chart");
      draw(this.root, div, traces, layout, (points) => this.describe(points));
    }

    describe(points) {
      return points.map(({ curveNumber, pointIndex }) => {
        const line = this.chart.lines[curveNumber];
        return `${line.name}: ${count(line.y[pointIndex])} ${this.chart.what}, ${line.text[pointIndex]}`;
      }).join("\n");
    }
  }

  return Compare;
})();
