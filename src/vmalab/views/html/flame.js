// SPDX-License-Identifier: GPL-2.0-or-later
// A flame graph: a box for each function, as wide as what the calls below it hold or did; or with
// its root on top, an icicle. A click zooms, a search marks.
"use strict";

const VmalabFlame = (() => {
  const { data, css, count, size, callText, call, choice, element, showAt, hideHover, onClick } = vmalabPage;
  const ROW = 19, LEAST = 0.4, TEXT_LEAST = 26, PAD = 4;
  const FONT = "12px system-ui, sans-serif";

  class Flame {
    constructor(root, chart) {
      this.root = root;
      this.chart = chart;
      this.measure = chart.measures.length ? chart.measures[0][0] : "held";
      this.difference = Boolean(chart.sums.changed);
      if (this.difference) this.measure = "difference";
      this.down = true;
      this.focus = 0;
      this.wanted = "";
      this.children = chart.parents.map(() => []);
      chart.parents.forEach((parent, at) => { if (parent >= 0) this.children[parent].push(at); });
      this.makeTools();
      this.canvas = element("canvas", { tabIndex: 0 });
      this.canvas.addEventListener("mousemove", (event) => this.hovered(event));
      this.canvas.addEventListener("mouseleave", hideHover);
      onClick(this.canvas, (x, y) => this.clicked(x, y));
    }

    makeTools() {
      const tools = this.root.querySelector(".tools");
      const names = [...this.chart.measures];
      if (this.difference) names.unshift(["difference", "difference"]);
      if (names.length > 1) {
        choice(tools, "quantity", names, this.measure, (key) => { this.measure = key; this.draw(); });
      }
      choice(tools, "direction", [["down", "icicle"], ["up", "flame"]], "down",
        (key) => { this.down = key === "down"; this.draw(); });
      const search = element("input", { type: "search", placeholder: "search functions",
        ariaLabel: "search functions" });
      search.addEventListener("input", () => { this.wanted = search.value.toLowerCase(); this.draw(); });
      const reset = element("button", { type: "button", textContent: "show all", className: "reset" });
      reset.addEventListener("click", () => { this.focus = 0; this.draw(); });
      this.found = element("span", { className: "found" });
      tools.append(search, reset, this.found);
    }

    // What a node weighs: of a difference, the larger of both runs.
    weight(at) {
      const { sums } = this.chart;
      if (this.measure !== "difference") return sums[this.measure][at];
      return Math.max(sums.held ? sums.held[at] : 0, sums.changed[at]);
    }

    text(value) {
      return this.measure === "bytes" ? size(value) : count(value);
    }

    label(at) {
      return data.frames[this.chart.frames[at]][0];
    }

    matches(at) {
      const [name, library, place] = data.frames[this.chart.frames[at]];
      return this.wanted !== "" && `${name} ${library} ${place}`.toLowerCase().includes(this.wanted);
    }

    // The boxes in view: each node with its place across (0 to 1) and its depth.
    layout(width) {
      const boxes = [];
      const above = [];
      for (let at = this.focus; at >= 0; at = this.chart.parents[at]) above.unshift(at);
      above.forEach((at, depth) => boxes.push({ at, x: 0, width: 1, depth }));
      const waiting = [boxes[boxes.length - 1]];
      while (waiting.length) {
        const box = waiting.pop();
        const children = this.children[box.at];
        const sum = children.reduce((total, child) => total + this.weight(child), 0);
        const whole = Math.max(this.weight(box.at), sum);
        let x = box.x;
        for (const child of children) {
          const part = whole ? (box.width * this.weight(child)) / whole : 0;
          const made = { at: child, x, width: part, depth: box.depth + 1 };
          x += part;
          if (part * width < LEAST) continue;
          boxes.push(made);
          waiting.push(made);
        }
      }
      return boxes;
    }

    resize() {
      this.draw();
    }

    draw() {
      const picture = this.root.querySelector(".picture");
      if (this.canvas.parentNode !== picture) picture.replaceChildren(this.canvas);
      const width = Math.max(260, picture.clientWidth), unit = devicePixelRatio || 1;
      this.boxes = this.layout(width);
      const rows = 1 + this.boxes.reduce((most, box) => Math.max(most, box.depth), 0);
      const height = rows * ROW + 2;
      Object.assign(this.canvas, { width: width * unit, height: height * unit });
      Object.assign(this.canvas.style, { width: `${width}px`, height: `${height}px` });
      const ctx = this.canvas.getContext("2d");
      ctx.scale(unit, unit);
      ctx.font = FONT;
      ctx.textBaseline = "middle";
      this.rows = rows;
      this.width = width;
      const dark = matchMedia("(prefers-color-scheme: dark)").matches;
      for (const box of this.boxes) this.drawBox(ctx, box, dark);
      this.tellFound();
      const none = this.weight(0) === 0 ? "There is none of this." : "";
      this.root.querySelector(".legend").textContent = none || (this.measure === "difference"
        ? "Blue: fewer VMAs with the changes. Orange: more. Grey: as many." : "");
    }

    top(depth) {
      return (this.down ? depth : this.rows - 1 - depth) * ROW + 1;
    }

    drawBox(ctx, { at, x, width, depth }, dark) {
      const left = x * this.width, wide = width * this.width, top = this.top(depth);
      const dim = this.wanted !== "" && !this.matches(at);
      ctx.globalAlpha = dim || (depth && at !== this.focus && this.isAbove(at)) ? 0.4 : 1;
      ctx.fillStyle = this.matches(at) ? css("found") : this.colour(at, dark);
      ctx.fillRect(left, top, Math.max(wide - 0.6, 0.5), ROW - 1);
      ctx.globalAlpha = 1;
      if (wide < TEXT_LEAST) return;
      ctx.fillStyle = this.matches(at) ? "#000000" : css("ink");
      ctx.fillText(this.fitted(ctx, this.label(at), wide - 2 * PAD), left + PAD, top + ROW / 2);
    }

    isAbove(at) {
      for (let above = this.chart.parents[this.focus]; above >= 0; above = this.chart.parents[above]) {
        if (above === at) return true;
      }
      return false;
    }

    fitted(ctx, text, room) {
      if (ctx.measureText(text).width <= room) return text;
      let low = 0, high = text.length;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (ctx.measureText(`${text.slice(0, middle)}…`).width <= room) low = middle; else high = middle - 1;
      }
      return low ? `${text.slice(0, low)}…` : "";
    }

    // A function has the colour of its library, a call is grey; of a difference: what it became.
    colour(at, dark) {
      if (this.measure === "difference") return this.changeColour(at, dark);
      const library = data.frames[this.chart.frames[at]][1];
      if (!library) return dark ? "#3a4150" : "#dfe3ea";
      let hash = 0;
      for (let index = 0; index < library.length; index++) {
        hash = (hash * 31 + library.charCodeAt(index)) % 9973;
      }
      const hue = [205, 28, 165, 325, 48, 265, 190][hash % 7];
      const light = (dark ? 30 : 74) + (hash % 5) * 2;
      return `hsl(${hue} ${dark ? 42 : 62}% ${light}%)`;
    }

    changeColour(at, dark) {
      const { sums } = this.chart;
      const before = sums.held ? sums.held[at] : 0, after = sums.changed[at];
      const part = (after - before) / Math.max(before, after, 1);
      if (part === 0) return dark ? "#3a4150" : "#dfe3ea";
      const strength = Math.min(1, 0.25 + Math.abs(part) * 0.75);
      const light = dark ? 22 + 22 * strength : 90 - 34 * strength;
      return `hsl(${part < 0 ? 205 : 30} ${dark ? 60 : 80}% ${light}%)`;
    }

    tellFound() {
      const whole = this.weight(0);
      let sum = 0;
      // What lies below a match counts once.
      const inside = this.chart.parents.map(() => false);
      this.chart.parents.forEach((parent, at) => {
        const above = parent >= 0 && inside[parent];
        inside[at] = above || this.matches(at);
        if (inside[at] && !above) sum += this.weight(at);
      });
      this.found.textContent = this.wanted
        ? `${this.text(sum)} of ${this.text(whole)} (${whole ? Math.round((100 * sum) / whole) : 0} %)` : "";
    }

    boxAt(x, y) {
      const row = Math.floor((y - 1) / ROW);
      const depth = this.down ? row : this.rows - 1 - row;
      return this.boxes.find((box) => box.depth === depth && x >= box.x * this.width
        && x < (box.x + box.width) * this.width);
    }

    describe(at) {
      const [name, library, place] = data.frames[this.chart.frames[at]];
      const whole = Math.max(1, this.weight(0));
      const lines = [[name, library === name ? "" : library].filter(Boolean).join("  ")];
      if (place) lines.push(place);
      for (const [key, title] of this.chart.measures) {
        const value = this.chart.sums[key][at];
        lines.push(`${title}: ${key === "bytes" ? size(value) : count(value)}`);
      }
      lines.push(`${((100 * this.weight(at)) / whole).toFixed(1)} % of all`);
      if (this.chart.calls[at]) lines.push(callText(this.chart.calls[at]));
      return lines.join("\n");
    }

    hovered(event) {
      const bounds = this.canvas.getBoundingClientRect();
      const box = this.boxAt(event.clientX - bounds.left, event.clientY - bounds.top);
      showAt(box ? this.describe(box.at) : "", event);
      this.canvas.style.cursor = box ? "pointer" : "";
    }

    clicked(x, y) {
      const box = this.boxAt(x, y);
      if (!box) return;
      hideHover();
      this.focus = box.at;
      this.draw();
      const [name, library, place] = data.frames[this.chart.frames[box.at]];
      vmalabDetails.show({ title: name,
        facts: [["library", library], ["source", place], ...this.chart.measures.map(([key, title]) =>
          [title, key === "bytes" ? size(this.chart.sums[key][box.at]) : count(this.chart.sums[key][box.at])])],
        calls: [["The first call below it", this.chart.calls[box.at]]] });
    }
  }

  return Flame;
})();
