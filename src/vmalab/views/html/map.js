// SPDX-License-Identifier: GPL-2.0-or-later
// The painted map as a grid of cells for what is in view, and what there is at a place of it.
"use strict";

const vmalabMap = (() => {
  // Rows that a boundary between VMAs must have for itself, else none is drawn.
  const ROWS_A_CUT = 3;

  // The fields of a piece.
  const LOW = 0, HIGH = 1, FIRST = 2, LAST = 3, LOOK = 4, CALL = 5, COUNT = 6;

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
      id,
      x0: place(piece[FIRST]),
      x1: place(piece[LAST]),
      y0: map.heights[piece[LOW]],
      y1: map.heights[piece[HIGH]],
    }));
    const area = (box) => (box.x1 - box.x0) * (box.y1 - box.y0);
    return found.sort((one, other) => area(other) - area(one));
  }

  // The cells [from, to) of `count` between `start` and `end` that a range meets; at least one.
  function cells(low, high, start, end, count) {
    if (high <= start || low >= end) return null;
    const size = (end - start) / count;
    const from = Math.max(0, Math.floor((low - start) / size));
    const to = Math.min(count, Math.ceil((high - start) / size));
    return [Math.min(from, count - 1), Math.max(to, Math.min(from, count - 1) + 1)];
  }

  // The grid: kinds by row for the chart, the piece of each cell (-1: none).
  function raster(map, boxes, place, view, columns, rows) {
    const kinds = Array.from({ length: rows }, () => new Array(columns).fill(null));
    const ids = new Int32Array(rows * columns).fill(-1);
    for (const box of boxes) {
      const across = cells(box.x0, box.x1, view.x0, view.x1, columns);
      const along = across && cells(box.y0, box.y1, view.y0, view.y1, rows);
      if (!along) continue;
      const kind = map.looks[map.pieces[box.id][LOOK]][0];
      for (let row = along[0]; row < along[1]; row++) {
        kinds[row].fill(kind, across[0], across[1]);
        ids.fill(box.id, row * columns + across[0], row * columns + across[1]);
      }
    }
    drawCuts(map, place, view, columns, rows, kinds);
    return { kinds, ids, view, columns, rows };
  }

  // Boundaries between VMAs, each a row high, where the next ones are far enough to tell them apart.
  function drawCuts(map, place, view, columns, rows, kinds) {
    const byRow = new Map();
    for (const [at, first, last] of map.cuts) {
      const across = cells(place(first), place(last), view.x0, view.x1, columns);
      const along = across && cells(map.heights[at], map.heights[at], view.y0, view.y1, rows);
      if (!along) continue;
      if (!byRow.has(along[0])) byRow.set(along[0], []);
      byRow.get(along[0]).push(across);
    }
    const used = [...byRow.keys()].sort((one, other) => one - other);
    used.forEach((row, at) => {
      if (row - (used[at - 1] ?? -rows) < ROWS_A_CUT) return;
      if ((used[at + 1] ?? 2 * rows) - row < ROWS_A_CUT) return;
      for (const across of byRow.get(row)) kinds[row].fill(map.kinds.length, across[0], across[1]);
    });
  }

  function pieceAt(grid, x, y) {
    const { view, columns, rows } = grid;
    const column = Math.floor(((x - view.x0) / (view.x1 - view.x0)) * columns);
    const row = Math.floor(((y - view.y0) / (view.y1 - view.y0)) * rows);
    if (column < 0 || row < 0 || column >= columns || row >= rows) return -1;
    return grid.ids[row * columns + column];
  }

  function describe(map, id, size) {
    const piece = map.pieces[id];
    const start = map.edges[piece[LOW]], end = map.edges[piece[HIGH]];
    const [kind, perms, name] = map.looks[piece[LOOK]];
    const [line, text] = map.calls[piece[CALL]];
    const what = [perms, name].filter(Boolean).join(" ");
    const lines = [
      `${start.toString(16)}-${end.toString(16)}  ${size(end - start)}  ${what}  (${map.kinds[kind]})`,
    ];
    if (piece[COUNT] > 1) lines.push(`${piece[COUNT]} ranges and the holes between them, drawn together`);
    if (text) lines.push(`since call ${piece[FIRST]}, line ${line}: ${text}`);
    else if (piece[FIRST] > 0) lines.push(`since call ${piece[FIRST]}, by a page fault or another task`);
    else lines.push("since the first map");
    lines.push(piece[LAST] >= map.end ? "until the end" : `until call ${piece[LAST]}`);
    return lines.join("\n");
  }

  return { placer, placed, raster, pieceAt, describe };
})();
