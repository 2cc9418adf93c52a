// SPDX-License-Identifier: GPL-2.0-or-later
// The address space by how many VMAs there are where: blocks of addresses that had any, one above
// the other, at moments between the calls.
"use strict";

const VmalabDensity = (() => {
  const { count, size, element } = vmalabPage;
  const { density } = vmalabPalette;

  class Density {
    constructor(chart) {
      const { shift, blocks, moments, rows } = chart.density;
      let block = 0;
      this.bytes = 2 ** shift;
      this.starts = blocks.map((more) => (block += more) * this.bytes);
      this.moments = moments;
      this.rows = rows;
      this.samples = chart.samples;
      this.end = chart.map.end;
      this.high = Math.max(1, blocks.length);
      this.most = 1;
      for (const row of rows) for (const number of row) this.most = Math.max(this.most, number);
    }

    get some() {
      return this.starts.length > 0;
    }

    locate(place) {
      this.xs = this.moments.map(place);
    }

    label(height) {
      const start = this.starts[height];
      return start === undefined ? "" : start.toString(16);
    }

    splits(low, high) {
      const step = Math.max(1, Math.ceil((high - low) / 18));
      const found = [];
      for (let at = Math.ceil(low); at <= high && at < this.starts.length; at += step) found.push(at);
      return found;
    }

    // The last moment at or before a place, -1 for none.
    momentAt(x) {
      let low = -1, high = this.xs.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (this.xs[middle] <= x) low = middle; else high = middle - 1;
      }
      return low;
    }

    picture(view, width, height) {
      const made = new ImageData(width, height);
      const pixels = new Uint32Array(made.data.buffer);
      const whole = Math.log1p(this.most);
      const tones = new Map();
      const tone = (number) => {
        if (!tones.has(number)) {
          const [red, green, blue] = density(Math.log1p(number) / whole);
          tones.set(number, (255 << 24) | (blue << 16) | (green << 8) | red);
        }
        return tones.get(number);
      };
      for (let column = 0; column < width; column++) {
        const at = this.momentAt(view.x0 + ((column + 0.5) / width) * (view.x1 - view.x0));
        if (at < 0) continue;
        for (let row = 0; row < height; row++) {
          const block = Math.floor(view.y0 + ((row + 0.5) / height) * (view.y1 - view.y0));
          const number = this.rows[at][block];
          if (number) pixels[(height - 1 - row) * width + column] = tone(number);
        }
      }
      return made;
    }

    facts(x, y) {
      const at = this.momentAt(x), block = Math.floor(y);
      if (at < 0 || this.starts[block] === undefined) return null;
      const start = this.starts[block];
      return { call: this.moments[at], number: this.rows[at][block],
        title: `${start.toString(16)}-${(start + this.bytes).toString(16)}` };
    }

    describe(x, y) {
      const found = this.facts(x, y);
      if (!found) return "";
      return `${found.title}  ${size(this.bytes)}\n${count(found.number)} VMAs begin there`
        + `\nafter call ${count(found.call)}`;
    }

    details(x, y) {
      const found = this.facts(x, y);
      if (!found) return null;
      let at = this.samples.index.findIndex((index) => index > found.call);
      at = at < 0 ? this.samples.index.length - 1 : Math.max(0, at - 1);
      return { title: found.title,
        facts: [["size", size(this.bytes)], ["VMAs that begin there", count(found.number)],
          ["after call", count(found.call)]],
        calls: [["The call with the most VMAs near it", this.samples.call[at]]] };
    }

    tell(box) {
      box.append(element("span", {}, element("i", { className: "scale" }),
        `1 to ${count(this.most)} VMAs in ${size(this.bytes)}`));
    }
  }

  return Density;
})();
