// SPDX-License-Identifier: GPL-2.0-or-later
// The chart of one process image: numbers over its calls, and the address space below them.
"use strict";

const VmalabTimeline = (() => {
  const { css, count, unitOf, size, draw, spikes } = vmalabPage;
  const ROW_HEIGHT = { vmas: 190, memory: 210, failures: 110, map: 460 };
  const GAP = 34, TOP = 34, BOTTOM = 46;
  const COLUMNS = 600, ROWS = 330;

  // Draws one image's chart.
  class Timeline {
    constructor(root, chart) {
      this.root = root;
      this.chart = chart;
      this.div = root.querySelector(".chart");
      this.seconds = false;
      const times = chart.samples.time;
      this.timed = times[times.length - 1] > times[0];
      if (this.timed) this.makeButtons();
      this.makeLegend();
    }

    makeButtons() {
      const box = this.root.querySelector(".axis");
      const buttons = ["by call", "by time"].map((name, at) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = name;
        button.addEventListener("click", () => {
          this.seconds = at === 1;
          press();
          this.draw();
        });
        box.append(button, " ");
        return button;
      });
      const press = () =>
        buttons.forEach((button, at) =>
          button.setAttribute("aria-pressed", String((at === 1) === this.seconds)));
      press();
    }

    makeLegend() {
      const { looks, kinds, pieces } = this.chart.map;
      const used = new Set(pieces.map((piece) => looks[piece[4]][0]));
      const box = this.root.querySelector(".legend");
      kinds.forEach((kind, at) => {
        if (!used.has(at)) return;
        const entry = document.createElement("span");
        const swatch = document.createElement("i");
        swatch.style.background = `var(--${kind.replace(" ", "-")})`;
        entry.append(swatch, kind);
        box.append(entry);
      });
    }

    rows() {
      const names = ["vmas", "memory"];
      if (this.chart.samples.failures.some((number) => number > 0)) names.push("failures");
      if (this.chart.map.pieces.length) names.push("map");
      return names;
    }

    draw() {
      const { samples, map } = this.chart;
      this.place = vmalabMap.placer(samples, this.seconds);
      this.boxes = vmalabMap.placed(map, this.place);
      const first = this.place(0), last = this.place(map.end);
      this.whole = {
        x0: first, x1: last > first ? last : first + 1,
        y0: 0, y1: Math.max(1, map.heights[map.heights.length - 1] || 1),
      };
      const rows = this.rows();
      const traces = this.traces(rows);
      const fresh = !this.div.classList.contains("js-plotly-plot");
      draw(this.root, this.div, traces, this.layout(rows),
        (points) => this.describe(points[points.length - 1]));
      if (fresh) this.div.on("plotly_relayout", (change) => this.zoomed(change));
    }

    traces(rows) {
      const { samples, failed, resident } = this.chart;
      const x = this.seconds ? samples.time : samples.index;
      const line = (name, y, axis, colour, extra) => ({
        type: "scatter", mode: "lines", name, x, y, yaxis: axis, hoverinfo: "none",
        line: { shape: "hv", width: 1.6, color: css(colour) }, ...extra,
      });
      const points = (name, entries, y, axis, colour) => ({
        type: "scatter", mode: "markers", name, yaxis: axis, hoverinfo: "none",
        x: entries.map(([index]) => this.place(index)), y,
        marker: { size: 6, color: css(colour) }, customdata: entries,
      });
      const largest = Math.max(1, ...samples.mapped);
      [this.unit, this.factor] = unitOf(largest);
      const scaled = (values) => values.map((value) => (value === null ? null : value / this.factor));
      const axis = (name) => (rows.indexOf(name) ? `y${rows.indexOf(name) + 1}` : "y");
      const found = [
        line("VMAs", samples.vmas, axis("vmas"), "vmas", { fill: "tozeroy", fillcolor: css("under") }),
        line("mapped", scaled(samples.mapped), axis("memory"), "mapped"),
        line("resident at most", scaled(samples.reachable), axis("memory"), "reachable"),
        line("data (VmData)", scaled(samples.data), axis("memory"), "data", { visible: "legendonly" }),
      ];
      if (samples.locked.some((value) => value > 0)) {
        found.push(line("locked", scaled(samples.locked), axis("memory"), "locked"));
      }
      if (resident.length) {
        const sizes = scaled(resident.map(([, bytes]) => bytes));
        found.push(points("resident, recorded", resident, sizes, axis("memory"), "point"));
      }
      if (rows.includes("failures")) {
        found.push(line("failed calls", samples.failures, axis("failures"), "failures"));
        const numbers = failed.map((entry, at) => at + 1);
        found.push(points("a failed call", failed, numbers, axis("failures"), "failures"));
      }
      if (rows.includes("map")) {
        const kinds = this.chart.map.kinds.map((kind) => css(kind.replace(" ", "-")));
        kinds.push(css("boundary"));
        const scale = kinds.flatMap((colour, at) =>
          [[at / kinds.length, colour], [(at + 1) / kinds.length, colour]]);
        found.push({
          type: "heatmap", name: "map", yaxis: axis("map"), colorscale: scale, showscale: false,
          zmin: 0, zmax: kinds.length, hoverinfo: "none", hoverongaps: false, zsmooth: false,
          showlegend: false, ...this.cells(this.whole),
        });
      }
      return found;
    }

    // The cells of the map for a view.
    cells(view) {
      const grid = vmalabMap.raster(this.chart.map, this.boxes, this.place, view, COLUMNS, ROWS);
      this.grid = grid;
      const dx = (view.x1 - view.x0) / COLUMNS, dy = (view.y1 - view.y0) / ROWS;
      const half = (row) => row.map((kind) => (kind === null ? null : kind + 0.5));
      return { z: grid.kinds.map(half), x0: view.x0 + dx / 2, dx, y0: view.y0 + dy / 2, dy };
    }

    layout(rows) {
      const heights = rows.map((name) => ROW_HEIGHT[name]);
      const inner = heights.reduce((sum, height) => sum + height + GAP, -GAP);
      const titles = {
        vmas: "VMAs", memory: this.unit, failures: "failed calls", map: "address space",
      };
      const layout = {
        height: inner + TOP + BOTTOM, margin: { l: 112, r: 12, t: TOP, b: BOTTOM },
        xaxis: {
          ...spikes(), range: [this.whole.x0, this.whole.x1],
          title: { text: this.seconds ? "time, seconds" : "memory calls of this process image" },
          anchor: rows.length > 1 ? `y${rows.length}` : "y",
        },
      };
      let top = inner;
      rows.forEach((name, at) => {
        layout[at ? `yaxis${at + 1}` : "yaxis"] = {
          domain: [(top - heights[at]) / inner, top / inner],
          title: { text: titles[name], standoff: 8 },
          gridcolor: css("grid"), zerolinecolor: css("line"), rangemode: "tozero", anchor: "x",
        };
        top -= heights[at] + GAP;
      });
      if (rows.includes("map")) {
        const axis = layout[`yaxis${rows.length}`];
        this.mapAxis = `yaxis${rows.length}`;
        Object.assign(axis, { range: [this.whole.y0, this.whole.y1], showgrid: false },
          this.ticks(this.whole));
      }
      return layout;
    }

    // A few addresses beside the map, those above the widest holes and ranges in view.
    ticks(view) {
      const { edges, heights } = this.chart.map;
      const least = (view.y1 - view.y0) / 18;
      const tickvals = [], ticktext = [];
      let previous = -Infinity;
      heights.forEach((height, at) => {
        if (height < view.y0 || height > view.y1 || height - previous < least) return;
        previous = height;
        tickvals.push(height);
        ticktext.push(edges[at].toString(16));
      });
      return { tickvals, ticktext, tickfont: { size: 9, family: "monospace" } };
    }

    zoomed(change) {
      if (!this.mapAxis || !Object.keys(change).some((key) => key.includes("axis"))) return;
      if (Object.keys(change).every((key) => key.includes("tick"))) return;
      const { xaxis, [this.mapAxis]: yaxis } = this.div.layout;
      const view = {
        x0: Math.max(xaxis.range[0], this.whole.x0), x1: Math.min(xaxis.range[1], this.whole.x1),
        y0: Math.max(yaxis.range[0], this.whole.y0), y1: Math.min(yaxis.range[1], this.whole.y1),
      };
      if (!(view.x1 > view.x0 && view.y1 > view.y0)) return;
      const { z, ...where } = this.cells(view);
      const ticks = this.ticks(view);
      Plotly.update(this.div, { z: [z], ...where },
        { [`${this.mapAxis}.tickvals`]: ticks.tickvals, [`${this.mapAxis}.ticktext`]: ticks.ticktext },
        [this.div.data.length - 1]);
    }

    describe(point) {
      const { map } = this.chart;
      if (point.data.type === "heatmap") {
        const id = vmalabMap.pieceAt(this.grid, point.x, point.y);
        return id < 0 ? "" : vmalabMap.describe(map, id, size);
      }
      if (point.data.name === "a failed call") {
        const [index, line, text] = point.customdata;
        return `call ${count(index)}, line ${line}\n${text}`;
      }
      if (point.data.name === "resident, recorded") {
        const [index, bytes] = point.customdata;
        return `after call ${count(index)}: ${size(bytes)} resident, says the recording`;
      }
      return this.describeSample(point.pointIndex);
    }

    describeSample(at) {
      const { samples } = this.chart;
      const reachable = samples.reachable[at];
      const when = this.timed ? `, ${samples.time[at].toFixed(6)} s` : "";
      const where = samples.line[at] ? `, line ${samples.line[at]}${when}` : "";
      const sizes = [`mapped ${size(samples.mapped[at])}`];
      if (reachable !== null) sizes.push(`resident at most ${size(reachable)}`);
      sizes.push(`data ${size(samples.data[at])}`);
      if (samples.locked[at]) sizes.push(`locked ${size(samples.locked[at])}`);
      return [
        `call ${count(samples.index[at])}${where}`, samples.call[at],
        `${count(samples.vmas[at])} VMAs, ${count(samples.failures[at])} failed calls so far`,
        sizes.join(", "),
      ].join("\n");
    }
  }

  return Timeline;
})();
