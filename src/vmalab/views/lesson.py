# SPDX-License-Identifier: GPL-2.0-or-later
"""A lesson as text: each call as a drawing of three columns."""

from collections.abc import Iterator
from typing import Final

from vmalab.explain.history.lesson import GONE, Joint, LessonBook, LessonStep, LessonVma
from vmalab.explain.why.place import NONE, Condition
from vmalab.views.text_table import counted, size_text
from vmalab.views.visible import visible

# Columns of the first two.
_ADDRESSES: Final = 27
_BACKING: Final = 30
# How the flags of one side begin.
_ONLY: Final = "only here: "


def lesson_lines(book: LessonBook, several: bool) -> Iterator[str]:
    """Yield the text of all steps. several: whether other images make it necessary to name it."""
    if several:
        yield f"image {book.name}"
        yield ""
    for step in book.steps:
        yield from _step(step)
        yield ""
    if book.count > len(book.steps):
        yield f"and {book.count - len(book.steps)} more calls"


def _step(step: LessonStep) -> Iterator[str]:
    where = f", line {step.line}" if step.line else ""
    yield f"step {step.number}{where}: {visible(step.call)}"
    yield f"  {count_text(step)}"
    if step.note:
        yield f"  {visible(step.note)}"
    if not step.vmas:
        return
    yield f"  {'addresses':{_ADDRESSES}}{'file or anonymous':{_BACKING}}what became of it"
    joints = {joint.at: joint for joint in step.joints}
    for vma in step.vmas:
        joint = joints.get(vma.line.start) if vma.what != GONE else None
        if joint is not None:
            yield from (f"    {line}" for line in joint_lines(joint))
        yield _row(vma)
    if step.left_out:
        yield f"  and {counted(step.left_out, 'VMA')} more"


def count_text(step: LessonStep) -> str:
    """Return how the number of VMAs changed."""
    if step.before == step.after:
        return f"{counted(step.after, 'VMA')}, as before"
    return f"{step.before} -> {counted(step.after, 'VMA')}"


def _row(vma: LessonVma) -> str:
    addresses = f"{vma.line.start:x}-{vma.line.end:x}"
    backing = visible(f"{vma.line.perms} {vma.backing}")
    bar = "x" if vma.what == GONE else "|"
    return f"{bar} {addresses:{_ADDRESSES}}{backing:{_BACKING}}{became_text(vma)}".rstrip()


def became_text(vma: LessonVma) -> str:
    """Return what a call did to a VMA, in words."""
    size = size_text(vma.line.end - vma.line.start)
    parts = ", ".join(f"{start:x}-{end:x}" for start, end in vma.parts)
    words = {
        "": "",
        GONE: "gone",
        "mapped": f"new, {size}",
        "split": f"split off {parts}",
        "merged": f"merged: one VMA of {parts}",
        "grew": f"grew, was {parts}",
        "shrank": f"what is left of {parts}",
        "changed": f"changed, was part of {parts}" if parts else "changed",
        "moved": f"moved, was {parts}",
    }
    return words.get(vma.what, vma.what)


def joint_lines(joint: Joint) -> Iterator[str]:
    """Yield why two VMAs that touch are two, or that nothing keeps them apart."""
    for item in joint.failed:
        yield f"apart: {condition_text(item)}"
    if not joint.failed:
        yield "nothing keeps them apart: no call has tried to merge them"
    held = ", ".join(item.kind for item in joint.held)
    if held:
        yield f"holds: {held}"


def condition_text(item: Condition) -> str:
    """Return a condition with its value on each side; of flags, those that only one side has."""
    sides = (("below", item.lower), ("above", item.upper))
    if all(value.startswith(_ONLY) for _, value in sides):
        alone = [
            f"only {side}: {value.removeprefix(_ONLY)}"
            for side, value in sides
            if value != f"{_ONLY}{NONE}"
        ]
        return visible(f"{item.kind} ({'; '.join(alone)})")
    return visible(f"{item.kind} (below: {item.lower}; above: {item.upper})")
