# SPDX-License-Identifier: GPL-2.0-or-later
"""What was expected and what was found, drawn under one ruler, with the differences in words."""

from dataclasses import replace

from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.testing.cases.kinds import Kind
from vmalab.testing.cases.picture import Box, draw
from vmalab.testing.cases.workbench import Region

SPARE_LETTERS = "XYZUVWTSRQPONMxyzuvwtsrqponm"


def show_layouts(
    legend: dict[str, Kind], deltas: dict[str, int], expected: list[Region], actual: list[Region]
) -> list[str]:
    """Both layouts as drawings, the letters that the case does not have, and the differences."""
    letters = Letters(legend, deltas)
    rows = [
        ("expected", [letters.box(region) for region in expected]),
        ("actual", [letters.box(region) for region in actual]),
    ]
    return [
        *draw(rows),
        *(f"  {letter} = {kind.text()}" for letter, kind in letters.found.items()),
        *(f"  {line}" for line in differences(expected, actual)),
    ]


class Letters:
    """Letters for VMAs as they were found: the legend's where one fits, new ones otherwise."""

    def __init__(self, legend: dict[str, Kind], deltas: dict[str, int]) -> None:
        self.legend = legend
        self.deltas = deltas
        self.found: dict[str, Kind] = {}

    def box(self, region: Region) -> Box:
        """Return the box that stands for a VMA."""
        return Box(region.start, region.end, self.letter(region))

    def letter(self, region: Region) -> str:
        """Return the letter of the kind that a VMA has."""
        for letter, kind in self.legend.items():
            if letter in self.deltas:
                wanted = region.start + self.deltas[letter]
                chain = kind.chain[:1] + tuple(sorted(kind.chain[1:]))
                if replace(kind, pgoff=wanted, chain=chain) == region.kind:
                    return letter
        for letter, kind in self.found.items():
            if kind == region.kind:
                return letter
        spare = [one for one in SPARE_LETTERS if one not in self.legend and one not in self.found]
        letter = spare[0] if spare else "X"
        self.found[letter] = region.kind
        return letter


def differences(expected: list[Region], actual: list[Region]) -> list[str]:
    """Return what differs, a line for each VMA."""
    wanted = {(region.start, region.end): region.kind for region in expected}
    there = {(region.start, region.end): region.kind for region in actual}
    lines = []
    for start, end in sorted({*wanted, *there}):
        name = f"{start:x}-{end:x}"
        if (start, end) not in there:
            lines.append(f"{name}: expected, and no VMA has this range")
        elif (start, end) not in wanted:
            lines.append(f"{name}: a VMA that is not expected")
        elif wanted[start, end] != there[start, end]:
            parts = kind_differences(wanted[start, end], there[start, end])
            lines.append(f"{name}: {', '.join(parts)}")
    return lines


def kind_differences(wanted: Kind, there: Kind) -> list[str]:
    """Return the properties in which two kinds differ, in words."""
    parts = []
    missing, extra = (
        vm_flag_letters(wanted.flags & ~there.flags),
        vm_flag_letters(there.flags & ~wanted.flags),
    )
    parts += [f"flags missing: {' '.join(missing)}"] if missing else []
    parts += [f"flags too many: {' '.join(extra)}"] if extra else []
    if wanted.pgoff != there.pgoff:
        parts.append(f"pgoff {there.pgoff or 0:x} instead of {wanted.pgoff or 0:x}")
    for label, left, right in (
        ("file", wanted.file, there.file),
        ("anon_vma chain", "<".join(wanted.chain), "<".join(there.chain)),
        ("policy", wanted.policy, there.policy),
        ("name", wanted.name, there.name),
        ("userfaultfd", wanted.uffd, there.uffd),
        ("hooks", " ".join(wanted.hooks), " ".join(there.hooks)),
        ("operations", str(wanted.ops), str(there.ops)),
    ):
        if left != right:
            parts.append(f"{label} {right or 'none'} instead of {left or 'none'}")
    return parts
