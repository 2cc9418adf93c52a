// SPDX-License-Identifier: GPL-2.0-or-later
// What colours mean. Permissions have the colours of Okabe and Ito, which people with any kind of
// colour blindness tell apart; flags have hatches; density has a scale that grows brighter.
"use strict";

const vmalabPalette = (() => {
  const { css } = vmalabPage;

  // Names of colours in page.css, and what they stand for.
  const CLASSES = [
    ["none", "no access (---)"],
    ["read", "read only (r--)"],
    ["write", "read and write (rw-)"],
    ["code", "executable (r-x)"],
    ["wx", "writable and executable"],
    ["shared", "shared (…s)"],
    ["heap", "heap"],
    ["stack", "stack"],
    ["special", "the kernel's own (vdso, vvar)"],
    ["mixed", "several kinds, drawn together"],
  ];
  // Hatches by number: sign, where, and whether it is brighter than its ground or darker. Flags that
  // are used get them in order of how often they are.
  const HATCHES = [
    ["╱", (x, y) => (x + y) % 7 < 2, 0.45],
    ["╲", (x, y) => (x - y + 7000) % 7 < 2, -0.6],
    ["─", (x, y) => y % 5 === 0, 0.6],
    ["│", (x) => x % 5 === 0, -0.6],
    ["∷", (x, y) => x % 4 < 2 && y % 4 < 2, 0.5],
    ["╳", (x, y) => (x + y) % 8 === 0 || (x - y + 8000) % 8 === 0, -0.6],
  ];
  // From few to many: dark to bright, blue to yellow.
  const DENSITY = [[0, 34, 78], [59, 73, 110], [124, 123, 120], [188, 175, 111], [254, 232, 56]];

  // The class of a look [kind, perms, name, flags], by number.
  function classOf([kind, perms], kinds) {
    const name = kinds[kind];
    if (name === "mixed") return 9;
    if (!/[rwx]/.test(perms)) return 0;
    if (perms.endsWith("s")) return 5;
    if (name === "special") return 8;
    if (name === "heap") return 6;
    if (name === "stack") return 7;
    if (perms.includes("x")) return perms.includes("w") ? 4 : 3;
    return perms.includes("w") ? 2 : 1;
  }

  // "#rrggbb" as [r, g, b].
  function channels(colour) {
    const number = parseInt(colour.slice(1, 7), 16);
    return [number >> 16, (number >> 8) & 255, number & 255];
  }

  // A colour nearer to white (part above 0) or to black.
  const shade = (colour, part) => colour.map((value) =>
    Math.round(part > 0 ? value + (255 - value) * part : value * (1 + part)));

  const colours = () => CLASSES.map(([name]) => channels(css(`map-${name}`)));

  // The colour for a part (0 to 1) of the most.
  function density(part) {
    const at = Math.min(Math.max(part, 0), 1) * (DENSITY.length - 1);
    const low = Math.min(Math.floor(at), DENSITY.length - 2);
    return DENSITY[low].map((value, channel) =>
      Math.round(value + (DENSITY[low + 1][channel] - value) * (at - low)));
  }

  return { CLASSES, HATCHES, classOf, channels, shade, colours, density };
})();
