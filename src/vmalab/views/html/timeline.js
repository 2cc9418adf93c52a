// SPDX-License-Identifier: GPL-2.0-or-later
// The timeline of one process image: numbers over its calls with their limits and the calls that
// failed, and below them the address space.
"use strict";

const VmalabTimeline = (() => {
  const { css, count, unitOf, size, callText, choice, element } = vmalabPage;
  const { Stack, options, line, sampleAt, legend } = vmalabCurves;
  const HEIGHTS = { vmas: 170, memory: 170, map: 420 };
  // A limit is drawn when what it limits has come to this part of it.
  const NEAR = 0.25;

  class Timeline {
    constructor(root, chart) {
      this.root = root;
      this.chart = chart;
      this.maps = { flags: new VmalabMap(chart) };
      if (chart.density) this.maps.density = new VmalabDensity(chart);
      this.stack = new Stack();
      this.seconds = false;
      this.shown = chart.dense ? "density" : "flags";
      const times = chart.samples.time;
      this.timed = times[times.length - 1] > times[0];
      const tools = root.querySelector(".tools");
      if (this.timed) {
        choice(tools, "horizontal axis", [["calls", "by call"], ["time", "by time"]], "calls",
          (key) => { this.seconds = key === "time"; this.draw(); });
      }
      if (this.map.some && chart.density) {
        choice(tools, "map", [["flags", "permissions and flags"], ["density", "density"]],
          this.shown, (key) => { this.shown = key; this.draw(); });
      }
      const reset = element("button", { type: "button", textContent: "show all", className: "reset" });
      reset.addEventListener("click", () => this.draw());
      tools.append(reset);
    }

    resize() {
      this.stack.resize(this.root);
    }

    draw() {
      const { samples } = this.chart;
      this.stack.clear();
      this.root.querySelector(".picture").replaceChildren();
      this.root.querySelector(".legend").replaceChildren();
      this.place = VmalabMap.placer(samples, this.seconds);
      this.map.locate(this.place);
      this.xs = this.seconds ? samples.time : samples.index;
      this.names = [];
      this.limited = {};
      if (!this.chart.still) {
        this.drawVmas();
        this.drawMemory();
      }
      if (this.map.some) this.drawMap();
      this.drawLegend();
    }

    get map() {
      return this.maps[this.shown];
    }

    get xTitle() {
      if (this.chart.still) return "";
      return this.seconds ? "time, seconds" : "memory calls of this process image";
    }

    addChart(name, settings, data, describe, clicked) {
      this.names.push(name);
      settings.hooks.draw = [...(settings.hooks.draw || []), (u) => this.drawFailures(u)];
      return this.stack.add(this.root, settings, data, describe, clicked);
    }

    drawVmas() {
      const { samples, limits } = this.chart;
      const most = Math.max(1, ...samples.vmas);
      const limit = this.steps(limits.vmas, 1);
      this.limited = { vmas: this.nearest(limits.vmas, most) };
      const top = this.limited.vmas ? Math.max(most, this.limited.vmas) : most;
      const settings = options({ root: this.root, height: HEIGHTS.vmas, title: "VMAs", last: false,
        wholeX: !this.seconds, wholeY: true,
        range: () => [0, top * 1.08], extra: { hooks: {} } });
      settings.series = [{}, line("VMAs", "vmas", { fill: css("under") }), this.limitLine("limit")];
      const data = [this.xs, samples.vmas, this.limited.vmas ? limit : limit.map(() => null)];
      this.addChart("vmas", settings, data, (u) => this.describeSample(sampleAt(u)),
        (u) => this.showNearest(u));
    }

    drawMemory() {
      const { samples, limits, resident } = this.chart;
      const mapped = Math.max(1, ...samples.mapped);
      const nearest = ["mapped", "data", "locked"].map((name) =>
        [name, this.nearest(limits[name], Math.max(...samples[name]))]);
      const top = Math.max(mapped, ...nearest.map(([, value]) => value || 0));
      const [unit, factor] = unitOf(top);
      const scaled = (values) => values.map((value) => (value === null ? null : value / factor));
      const settings = options({ root: this.root, height: HEIGHTS.memory, title: unit,
        wholeX: !this.seconds, last: !this.map.some, xTitle: this.xTitle,
        range: () => [0, (top / factor) * 1.08],
        extra: { hooks: {} } });
      settings.series = [{}, line("mapped", "mapped"), line("resident at most", "reachable"),
        line("data (VmData)", "data"), line("locked", "locked")];
      const data = [this.xs, scaled(samples.mapped), scaled(samples.reachable),
        scaled(samples.data), samples.locked.some((value) => value > 0)
          ? scaled(samples.locked) : samples.locked.map(() => null)];
      for (const [name, value] of nearest) {
        this.limited[name] = value;
        if (!value) continue;
        settings.series.push(this.limitLine(`limit of ${name}`));
        data.push(this.steps(limits[name], factor));
      }
      if (resident.length) settings.hooks.draw = [(u) => this.drawResident(u, factor)];
      this.addChart("memory", settings, data, (u) => this.describeSample(sampleAt(u)),
        (u) => this.showNearest(u));
    }

    limitLine(name) {
      return line(name, "failures", { dash: [7, 5], width: 1.5 });
    }

    // A limit at each sample, from its changes [index, limit or null].
    steps(changes, factor) {
      let at = 0;
      return this.chart.samples.index.map((index) => {
        while (at + 1 < changes.length && changes[at + 1][0] <= index) at++;
        const value = changes.length ? changes[at][1] : null;
        return value === null ? null : value / factor;
      });
    }

    // The highest of some limits, if what it limits has come near to any of them; else 0.
    nearest(changes, most) {
      const known = changes.map(([, value]) => value).filter((value) => value !== null);
      return known.some((value) => most >= value * NEAR) ? Math.max(...known) : 0;
    }

    drawFailures(u) {
      const { ctx, bbox } = u;
      const unit = devicePixelRatio || 1;
      ctx.save();
      ctx.fillStyle = ctx.strokeStyle = css("failures");
      for (const [index] of this.chart.failed) {
        const x = u.valToPos(this.place(index), "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        ctx.globalAlpha = 0.35;
        ctx.fillRect(x - unit / 2, bbox.top, unit, bbox.height);
        ctx.globalAlpha = 1;
        ctx.beginPath();
        ctx.moveTo(x - 5 * unit, bbox.top - 8 * unit);
        ctx.lineTo(x + 5 * unit, bbox.top - 8 * unit);
        ctx.lineTo(x, bbox.top);
        ctx.fill();
      }
      ctx.restore();
    }

    drawResident(u, factor) {
      const { ctx } = u;
      ctx.save();
      ctx.fillStyle = css("point");
      for (const [index, bytes] of this.chart.resident) {
        ctx.beginPath();
        ctx.arc(u.valToPos(this.place(index), "x", true), u.valToPos(bytes / factor, "y", true),
          3 * (devicePixelRatio || 1), 0, 7);
        ctx.fill();
      }
      ctx.restore();
    }

    drawMap() {
      const { map } = this;
      const { high } = map;
      const first = this.xs[0], last = Math.max(this.place(this.chart.map.end), first + 1e-9);
      const settings = options({ root: this.root, height: HEIGHTS.map, title: "address space", last: true,
        wholeX: !this.seconds,
        xTitle: this.xTitle, range: (u, low, top) => [low ?? 0, top ?? high], extra: { hooks: {
          drawAxes: [(u) => this.paintMap(u)] } } });
      settings.scales.y.auto = false;
      settings.cursor.drag = { x: true, y: true, uni: 30, dist: 5 };
      settings.cursor.y = true;
      settings.axes[1] = { ...settings.axes[1], grid: { show: false }, font: "9px monospace",
        splits: (u) => map.splits(u.scales.y.min, u.scales.y.max),
        values: (u, values) => values.map((value) => map.label(value)) };
      settings.series = [{}, { show: true, stroke: "transparent", points: { show: false } }];
      const under = (u) => [u.posToVal(u.cursor.left, "x"), u.posToVal(u.cursor.top, "y")];
      const clicked = (u) => {
        const found = map.details(...under(u));
        if (found) vmalabDetails.show(found);
      };
      const chart = this.addChart("map", settings, [[first, last], [0, high]],
        (u) => map.describe(...under(u)), clicked);
      chart.over.addEventListener("dblclick", () => chart.setScale("y", { min: 0, max: high }));
      chart.setScale("y", { min: 0, max: high });
      chart.setScale("x", { min: first, max: last });
    }

    paintMap(u) {
      const { bbox, ctx, scales } = u;
      const unit = devicePixelRatio || 1;
      const view = { x0: scales.x.min, x1: scales.x.max, y0: scales.y.min, y1: scales.y.max };
      if (!(view.x1 > view.x0 && view.y1 > view.y0)) return;
      const picture = this.map.picture(view, Math.max(1, Math.round(bbox.width / unit)),
        Math.max(1, Math.round(bbox.height / unit)));
      const canvas = element("canvas", { width: picture.width, height: picture.height });
      canvas.getContext("2d").putImageData(picture, 0, 0);
      ctx.save();
      ctx.imageSmoothingEnabled = false;
      ctx.drawImage(canvas, bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.restore();
    }

    drawLegend() {
      const box = this.root.querySelector(".legend");
      const { chart } = this;
      if (chart.still) {
        this.map.tell(box);
        return;
      }
      const lines = [["VMAs, mapped", css("vmas")], ["resident at most", css("reachable")],
        ["data", css("data")]];
      if (chart.samples.locked.some((value) => value > 0)) lines.push(["locked", css("locked")]);
      if (chart.resident.length) lines.push(["resident, recorded", css("point"), "dot"]);
      if (Object.values(this.limited).some(Boolean)) lines.push(["limit", css("failures"), "dashed"]);
      if (chart.failed.length) lines.push(["a failed call", css("failures"), "mark"]);
      legend(box, lines);
      const all = chart.limits.vmas.at(-1);
      if (!this.limited.vmas && all) {
        box.append(element("span", { textContent: `limit of VMAs: ${count(all[1])}, far above` }));
      }
      if (!this.map.some) return;
      box.append(element("hr"));
      this.map.tell(box);
    }

    describeSample(at) {
      const { samples } = this.chart;
      const reachable = samples.reachable[at];
      const when = this.timed ? `, ${samples.time[at].toFixed(6)} s` : "";
      const sizes = [`mapped ${size(samples.mapped[at])}`];
      if (reachable !== null) sizes.push(`resident at most ${size(reachable)}`);
      sizes.push(`data ${size(samples.data[at])}`);
      if (samples.locked[at]) sizes.push(`locked ${size(samples.locked[at])}`);
      return [
        `call ${count(samples.index[at])}${when}`, callText(samples.call[at]),
        `${count(samples.vmas[at])} VMAs, ${count(samples.failures[at])} failed calls so far`,
        sizes.join(", "),
      ].join("\n");
    }

    // A click on a curve: the failed call that it is on, or else the sample.
    showNearest(u) {
      const near = this.chart.failed.find(([index]) =>
        Math.abs(u.valToPos(this.place(index), "x") - u.cursor.left) <= 5);
      if (near) {
        vmalabDetails.show({ title: "A failed call", facts: [["call", count(near[0])]],
          calls: [["The call", near[1]]] });
        return;
      }
      const at = sampleAt(u), { samples } = this.chart;
      const reachable = samples.reachable[at];
      vmalabDetails.show({ title: `After call ${count(samples.index[at])}`,
        facts: [["VMAs", count(samples.vmas[at])], ["mapped", size(samples.mapped[at])],
          ["resident at most", reachable === null ? "" : size(reachable)],
          ["data", size(samples.data[at])], ["failed so far", count(samples.failures[at])]],
        calls: [["The call", samples.call[at]]] });
    }
  }

  return Timeline;
})();
