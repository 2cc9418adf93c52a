# SPDX-License-Identifier: GPL-2.0-or-later
"""What came of recorded programs on kernel trees: as text and as JSON."""

from collections.abc import Iterator, Sequence
from typing import Final

from vmalab.explain.on_tree.findings import ImageOnTree, OnTree, OtherMap
from vmalab.explain.on_tree.rows import MapRow
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.testing.cases.picture import Box, draw
from vmalab.views.output import put
from vmalab.views.text_table import counted, table
from vmalab.views.visible import visible

# Images, answers and reasons that are shown.
SHOWN: Final = 5
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def print_on_tree(path: str, found: OnTree) -> None:
    """Print how a recording went on a tree, beside how it was recorded."""
    put(visible(f"{path} on {found.tree} ({found.release}):"))
    put(f"  {found.made} of {counted(found.calls, 'memory call')} made by the tree's code")
    for reason, count in found.left.most_common():
        put(visible(f"  {count} left out: {reason}"))
    for reason, count in found.given.most_common():
        put(visible(f"  {count} taken over from the recording: {reason}"))
    for died in found.died:
        put(visible(f"  the tree's code did not survive: {died}"))
    for answer in found.answers[:SHOWN]:
        put(visible(f"  line {answer.line}: {answer.call}"))
        put(visible(f"    recorded {answer.recorded}, on the tree {answer.tree}"))
    if found.answers_differ > SHOWN:
        put(f"  and {found.answers_differ - SHOWN} more answers that differ")
    if found.map is not None:
        for line in map_lines(found.map):
            put(visible(line))
    verdict = "DIFFERS" if found.differs else "as recorded"
    put(
        f"  {verdict}: {found.made - found.answers_differ} answers the same, "
        f"{found.answers_differ} not; {found.maps - found.maps_differ} maps the same, "
        f"{found.maps_differ} not"
    )


def map_lines(other: OtherMap) -> Iterator[str]:
    """Yield the first place where the maps part, drawn."""
    after = f" after line {other.line}, {other.call}" if other.call else " at its end"
    yield f"  the maps of {other.image} differ{after}, at {other.at:x}:"
    legend: dict[str, str] = {}
    one, two = _boxes(other.recorded, legend), _boxes(other.tree, legend)
    yield from draw([("recorded", one), ("the tree", two)])
    for text, letter in legend.items():
        yield f"    {letter} = {text}"


def _boxes(rows: Sequence[MapRow], legend: dict[str, str]) -> list[Box]:
    boxes = []
    for row in rows:
        text = f"{row.perms} {' '.join(row.flags)}"
        text += "" if row.offset is None else f" file {(row.offset - row.start) >> PAGE_SHIFT:+x}"
        if text not in legend and len(legend) < len(_LETTERS):
            legend[text] = _LETTERS[len(legend)]
        boxes.append(Box(row.start >> PAGE_SHIFT, row.end >> PAGE_SHIFT, legend.get(text, "?")))
    return boxes


def print_counts(found: Sequence[OnTree], *, everything: bool) -> None:
    """Print how many VMAs each image has, by the recording and on each tree.

    found: the tree, then its base if there is one.
    """
    tree, *bases = found
    base = bases[0] if bases else None
    ranked = sorted(tree.images, key=lambda one: -max(one.recorded_peak, one.tree_peak))
    kept = {id(one) for one in (ranked if everything else ranked[:SHOWN])}
    for index, image in enumerate(tree.images):
        if id(image) not in kept:
            continue
        put()
        other = None if base is None or index >= len(base.images) else base.images[index]
        _print_image(image, other)
    if len(tree.images) > len(kept):
        put(f"\n{len(tree.images) - len(kept)} more images (--all shows them)")


def _print_image(image: ImageOnTree, base: ImageOnTree | None) -> None:
    heads = [f"image {visible(image.name)}", ">recorded", ">base", ">tree", ">difference"]
    rows = table(*(head for head in heads if base is not None or head != ">base"))
    names = ("VMAs at most", "VMAs at its end")
    recorded = (image.recorded_peak, image.recorded_end)
    on_tree = (image.tree_peak, image.tree_end)
    before = recorded if base is None else (base.tree_peak, base.tree_end)
    for name, one, two, three in zip(names, recorded, before, on_tree, strict=True):
        middle = [] if base is None else [str(two)]
        rows.add_row(name, str(one), *middle, str(three), f"{three - two:+d}")
    put(rows)
