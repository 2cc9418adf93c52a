// SPDX-License-Identifier: GPL-2.0-or-later
// The painted map: which range is where in a view, as cells in the colours of permissions and flags,
// and what there is at a place of it.
"use strict";

const VmalabMap = (() => {
  const { css, count, size, callText, element } = vmalabPage;
  const { legend } = vmalabCurves;
  const { CLASSES, HATCHES, channels, classOf, colours, shade } = vmalabPalette;
  const PAGE = 4096;
  // Of the height, in units of which a mapped page has one: a range that was never mapped.
  const HOLE = 1.5;
  // Rows that a boundary between VMAs must have for itself, else none is drawn.
  const ROWS_A_CUT = 4;

  // The fields of a piece, and of a boundary.
  const LOW = 0, HIGH = 1, FIRST = 2, LAST = 3, LOOK = 4, CALL = 5, COUNT = 6;
  const AT = 0, CUT_FIRST = 1, CUT_LAST = 2, WHY = 3;

  // Adds to a map's data what is not sent: addresses, heights, classes and hatches.
  function prepare(map) {
    let page = 0;
    map.addresses = map.edges.map((more) => (page += more) * PAGE);
    map.heights = heightsOf(map);
    map.classes = map.looks.map((look) => classOf(look, map.kinds));
    const lasting = new Map();
    for (const piece of map.pieces) {
      const flags = map.looks[piece[LOOK]][3];
      if (flags) lasting.set(flags, (lasting.get(flags) || 0) + piece[COUNT]);
    }
    map.flags = [...lasting].sort((one, other) => other[1] - one[1]).map(([flags]) => flags);
    map.hatches = map.looks.map(([, , , flags]) =>
      (flags ? Math.min(map.flags.indexOf(flags), HATCHES.length - 1) : -1));
    return map;
  }

  // How high each edge stands: a range is as high as the logarithm of its pages, a hole is folded.
  function heightsOf({ addresses, pieces }) {
    const depth = new Int32Array(addresses.length + 1);
    for (const piece of pieces) { depth[piece[LOW]]++; depth[piece[HIGH]]--; }
    const heights = [];
    let height = 0, covered = 0;
    addresses.forEach((address, at) => {
      heights.push(height);
      covered += depth[at];
      if (at + 1 === addresses.length) return;
      height += covered ? 1 + Math.log2((addresses[at + 1] - address) / PAGE) : HOLE;
    });
    return heights;
  }

  // Where a call's number lies on the axis: itself, or its time, between those of two samples.
  function placer(samples, seconds) {
    if (!seconds) return (index) => index;
    const known = samples.index, times = samples.time;
    return (index) => {
      let low = 0, high = known.length - 1;
      if (index >= known[high]) return times[high];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (known[middle] <= index) low = middle; else high = middle;
      }
      const span = known[high] - known[low];
      const part = span > 0 ? (index - known[low]) / span : 0;
      return times[low] + part * (times[high] - times[low]);
    };
  }

  // The pieces with their places, the largest first: what is small is drawn over it.
  function placed(map, place) {
    const found = map.pieces.map((piece, id) => ({
      id, x0: place(piece[FIRST]), x1: place(piece[LAST]),
      y0: map.heights[piece[LOW]], y1: map.heights[piece[HIGH]],
    }));
    const area = (box) => (box.x1 - box.x0) * (box.y1 - box.y0);
    return found.sort((one, other) => area(other) - area(one));
  }

  // The cells [from, to) of `count` between `start` and `end` that a range meets; at least one.
  function cells(low, high, start, end, number) {
    if (high <= start || low >= end) return null;
    const step = (end - start) / number;
    const from = Math.min(Math.max(0, Math.floor((low - start) / step)), number - 1);
    return [from, Math.max(Math.min(number, Math.ceil((high - start) / step)), from + 1)];
  }

  // Which piece each cell shows, -1: none; rows from below.
  function raster(boxes, view, columns, rows) {
    const ids = new Int32Array(rows * columns).fill(-1);
    for (const box of boxes) {
      const across = cells(box.x0, box.x1, view.x0, view.x1, columns);
      const along = across && cells(box.y0, box.y1, view.y0, view.y1, rows);
      if (!along) continue;
      for (let row = along[0]; row < along[1]; row++) {
        ids.fill(box.id, row * columns + across[0], row * columns + across[1]);
      }
    }
    return { ids, view, columns, rows };
  }

  // Boundaries between VMAs, each a row high, where there is room to tell them apart.
  function cutRows(map, place, view, columns, rows) {
    const byRow = new Map();
    for (const cut of map.cuts) {
      const across = cells(place(cut[CUT_FIRST]), place(cut[CUT_LAST]), view.x0, view.x1, columns);
      const height = map.heights[cut[AT]];
      const along = across && cells(height, height, view.y0, view.y1, rows);
      if (!along) continue;
      if (!byRow.has(along[0])) byRow.set(along[0], []);
      byRow.get(along[0]).push(across);
    }
    const used = [...byRow.keys()].sort((one, other) => one - other);
    return used.filter((row, at) => row - (used[at - 1] ?? -rows) >= ROWS_A_CUT
      && (used[at + 1] ?? 2 * rows) - row >= ROWS_A_CUT).map((row) => [row, byRow.get(row)]);
  }

  function paint(pixels, at, [red, green, blue]) {
    pixels[at] = red; pixels[at + 1] = green; pixels[at + 2] = blue; pixels[at + 3] = 255;
  }

  // The picture of a grid by permissions and flags; row 0 of the image is its top.
  function image(map, grid, place, colours, line) {
    const { ids, view, columns, rows } = grid;
    const picture = new ImageData(columns, rows);
    const looks = map.looks.map((_, at) => colours[map.classes[at]]);
    const lines = looks.map((colour, at) =>
      (map.hatches[at] < 0 ? colour : shade(colour, HATCHES[map.hatches[at]][2])));
    for (let row = 0; row < rows; row++) {
      const top = rows - 1 - row;
      for (let column = 0; column < columns; column++) {
        const id = ids[row * columns + column];
        if (id < 0) continue;
        const look = map.pieces[id][LOOK];
        const hatch = map.hatches[look];
        const hatched = hatch >= 0 && HATCHES[hatch][1](column, top);
        paint(picture.data, 4 * (top * columns + column), hatched ? lines[look] : looks[look]);
      }
    }
    for (const [row, spans] of cutRows(map, place, view, columns, rows)) {
      for (const [from, to] of spans) {
        const start = (rows - 1 - row) * columns;
        for (let at = from; at < to; at++) paint(picture.data, 4 * (start + at), line);
      }
    }
    return picture;
  }

  function pieceAt(grid, x, y) {
    const { view, columns, rows } = grid;
    const column = Math.floor(((x - view.x0) / (view.x1 - view.x0)) * columns);
    const row = Math.floor(((y - view.y0) / (view.y1 - view.y0)) * rows);
    if (column < 0 || row < 0 || column >= columns || row >= rows) return -1;
    return grid.ids[row * columns + column];
  }

  // What there is to say of a piece: see details.js.
  function details(map, id) {
    const piece = map.pieces[id];
    const start = map.addresses[piece[LOW]], end = map.addresses[piece[HIGH]];
    const [kind, perms, name, flags] = map.looks[piece[LOOK]];
    const facts = [
      ["size", size(end - start)],
      ["what", `${[perms, name].filter(Boolean).join(" ")} (${map.kinds[kind]})`],
      ["flags", flags],
      ["ranges", piece[COUNT] > 1
        ? `${count(piece[COUNT])}, and the holes between them, drawn together` : ""],
      ["there", map.end < 2 ? "" : `${sinceText(piece)}, ${piece[LAST] >= map.end
        ? "until the end" : `until call ${count(piece[LAST])}`}`],
      ["apart from below", why(map, piece[LOW], piece)],
      ["apart from above", why(map, piece[HIGH], piece)],
    ];
    return { title: `${start.toString(16)}-${end.toString(16)}`, facts, ofRange: true,
      calls: [["Made so by", piece[CALL]]] };
  }

  function sinceText(piece) {
    if (piece[FIRST] === 0) return "since the first map";
    return `since call ${count(piece[FIRST])}${piece[CALL] ? "" : ", by a fault or another task"}`;
  }

  // Why two VMAs that meet at an edge of a piece are two.
  function why(map, edge, piece) {
    if (!map.cutsAt) {
      map.cutsAt = new Map();
      for (const cut of map.cuts) map.cutsAt.set(cut[AT], [...(map.cutsAt.get(cut[AT]) || []), cut]);
    }
    const met = (map.cutsAt.get(edge) || [])
      .filter((cut) => cut[CUT_FIRST] < piece[LAST] && cut[CUT_LAST] > piece[FIRST]);
    if (!met.length) return "nothing touches it there";
    const causes = [...new Set(met.map((cut) => map.causes[cut[WHY]]))];
    return causes.map((cause) => (cause === null ? "the engine was not asked"
      : cause || "no condition failed: no call has tried to merge them")).join("; later ");
  }

  function describe(map, id) {
    const { title, facts } = details(map, id);
    const call = map.pieces[id][CALL];
    const known = facts.slice(0, 5).filter(([, value]) => value).map(([, value]) => value);
    return [`${title}  ${known.slice(0, 2).join("  ")}`, ...known.slice(2),
      call ? callText(call) : ""].filter(Boolean).join("\n");
  }

  const all = [];

  // What there is to say of the first range that a call made so, on any map that is drawn; or null.
  function ofCall(number) {
    for (const map of all) {
      const id = map.pieces.findIndex((piece) => piece[CALL] === number);
      if (id >= 0) return details(map, id);
    }
    return null;
  }

  // The map as timeline.js shows it; y: heights.
  class PaintedMap {
    constructor(chart) {
      this.map = prepare(chart.map);
      all.push(this.map);
      this.high = Math.max(1, this.map.heights[this.map.heights.length - 1] || 1);
    }

    get some() {
      return this.map.pieces.length > 0;
    }

    // place: where a call's number lies on the axis.
    locate(place) {
      this.place = place;
      this.boxes = placed(this.map, place);
    }

    label(height) {
      const at = this.map.heights.indexOf(height);
      return at < 0 ? "" : this.map.addresses[at].toString(16);
    }

    // A few addresses in view, those above the widest holes and ranges.
    splits(low, high) {
      const least = (high - low) / 18;
      const found = [];
      for (const height of this.map.heights) {
        if (height < low || height > high) continue;
        if (found.length && height - found[found.length - 1] < least) continue;
        found.push(height);
      }
      return found;
    }

    picture(view, width, height) {
      this.grid = raster(this.boxes, view, width, height);
      return image(this.map, this.grid, this.place, colours(), channels(css("boundary")));
    }

    describe(x, y) {
      const id = this.grid ? pieceAt(this.grid, x, y) : -1;
      return id < 0 ? "" : describe(this.map, id);
    }

    details(x, y) {
      const id = this.grid ? pieceAt(this.grid, x, y) : -1;
      return id < 0 ? null : details(this.map, id);
    }

    tell(box) {
      const { map } = this;
      const used = new Set(map.pieces.map((piece) => map.classes[piece[LOOK]]));
      legend(box, CLASSES.map(([name, text], at) => [text, css(`map-${name}`), "", at])
        .filter(([, , , at]) => used.has(at)));
      map.flags.slice(0, HATCHES.length).forEach((flags, at) => {
        const rest = at === HATCHES.length - 1 && map.flags.length > HATCHES.length;
        box.append(element("span", { textContent: `${HATCHES[at][0]} ${rest ? "other flags" : flags}` }));
      });
    }
  }

  PaintedMap.placer = placer;
  PaintedMap.ofCall = ofCall;
  return PaintedMap;
})();
