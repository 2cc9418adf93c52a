// SPDX-License-Identifier: GPL-2.0-or-later
// A comparison: the same numbers over the calls of two runs, one chart below the other.
"use strict";

const VmalabCompare = (() => {
  const { css, count, unitOf, size, callText } = vmalabPage;
  const { Stack, options, line, sampleAt, legend } = vmalabCurves;
  const COLOURS = ["vmas", "reachable"];
  const HEIGHT = 180;

  // Draws `runs` (each a name and its samples by column); `rows` tells which columns, and of what.
  class Compare {
    constructor(root, chart) {
      this.root = root;
      this.chart = chart;
      this.stack = new Stack();
      this.rows = chart.rows.filter(({ column }) =>
        chart.runs.some(({ samples }) => samples[column].some((value) => value > 0)));
    }

    resize() {
      this.stack.resize(this.root);
    }

    draw() {
      this.stack.clear();
      this.root.querySelector(".picture").replaceChildren();
      const box = this.root.querySelector(".legend");
      box.replaceChildren();
      this.rows.forEach((row, at) => this.drawRow(row, at === this.rows.length - 1));
      legend(box, this.chart.runs.map(({ name }, at) => [name, css(COLOURS[at])]));
    }

    drawRow({ column, title, bytes }, last) {
      const { runs } = this.chart;
      const top = Math.max(1, ...runs.flatMap(({ samples }) => samples[column]));
      const [unit, factor] = bytes ? unitOf(top) : ["", 1];
      const settings = options({ root: this.root, height: HEIGHT, last,
        title: unit ? `${title}, ${unit}` : title, brief: unit, xTitle: "memory calls of this process image",
        wholeX: true, wholeY: !bytes,
        range: () => [0, (top / factor) * 1.08] });
      settings.series = [{}, ...runs.map(({ name }, at) => line(name, COLOURS[at],
        { dash: at ? [6, 3] : undefined, spanGaps: true }))];
      const tables = runs.map(({ samples }) =>
        [samples.index, samples[column].map((value) => value / factor)]);
      this.stack.add(this.root, settings, uPlot.join(tables), (u) => this.describe(u),
        (u) => this.show(u));
    }

    // Of each run, the last sample at or before the cursor.
    samplesAt(u) {
      const index = u.data[0][sampleAt(u)];
      return this.chart.runs.map(({ name, samples }) => {
        let at = samples.index.findIndex((value) => value > index);
        at = at < 0 ? samples.index.length - 1 : Math.max(0, at - 1);
        return { name, samples, at };
      });
    }

    describe(u) {
      return this.samplesAt(u).map(({ name, samples, at }) => [
        `${name}: after call ${count(samples.index[at])}`,
        `  ${callText(samples.call[at])}`,
        `  ${count(samples.vmas[at])} VMAs, mapped ${size(samples.mapped[at])}, `
          + `${count(samples.failures[at])} failed calls so far`,
      ].join("\n")).join("\n");
    }

    show(u) {
      const found = this.samplesAt(u);
      vmalabDetails.show({ title: "Both runs",
        facts: found.map(({ name, samples, at }) =>
          [name, `${count(samples.vmas[at])} VMAs, mapped ${size(samples.mapped[at])}`]),
        calls: found.map(({ name, samples, at }) => [name, samples.call[at]]) });
    }
  }

  return Compare;
})();
