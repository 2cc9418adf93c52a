# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of `vmalab explain --html`, for a lecture: step by step, or all to print."""

import math
from typing import Final

from vmalab.explain.history.lesson import GONE, LessonBook, LessonStep, LessonVma
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.views.html.document import fill
from vmalab.views.lesson import became_text, condition_text, count_text

# Heights of boxes, in rem: of one page, and a doubling more.
_LEAST: Final = 1.6
_MORE: Final = 0.16
_MOST: Final = 5.0

_SCRIPTS: Final = ("lesson.js",)
_STYLES: Final = ("page.css", "lesson.css")


def lesson_page(title: str, subtitle: str, books: list[LessonBook]) -> str:
    """Return the page as HTML."""
    slides = [_slide(book, step, len(books) > 1) for book in books for step in book.steps]
    left_out = sum(book.count - len(book.steps) for book in books)
    return fill(
        "lesson.html.jinja",
        _SCRIPTS,
        _STYLES,
        title=title,
        subtitle=subtitle,
        slides=slides,
        left_out=left_out,
    )


def _slide(book: LessonBook, step: LessonStep, several: bool) -> dict[str, object]:
    joints = {joint.at: joint for joint in step.joints}
    rows: list[dict[str, object]] = []
    for vma in reversed(step.vmas):
        row: dict[str, object] = {
            "addresses": (f"{vma.line.end:x}", f"{vma.line.start:x}"),
            "text": f"{vma.line.perms} {vma.backing}",
            "flags": " ".join(vma.line.flags or ()),
            "became": became_text(vma),
            "what": vma.what or "same",
            "colour": _colour(vma),
            "height": round(_height(vma), 2),
            "failed": [],
            "held": [],
            "joint": False,
        }
        joint = joints.get(vma.line.start) if vma.what != GONE else None
        if joint is not None:
            row["joint"] = True
            row["failed"] = [condition_text(item) for item in joint.failed]
            row["held"] = [item.kind for item in joint.held]
        rows.append(row)
    return {
        "number": step.number,
        "line": step.line,
        "call": step.call,
        "count": count_text(step),
        "note": step.note,
        "image": book.name if several else "",
        "rows": rows,
        "left_out": step.left_out,
    }


def _height(vma: LessonVma) -> float:
    pages = max(1, (vma.line.end - vma.line.start) >> PAGE_SHIFT)
    return min(_LEAST + _MORE * math.log2(pages), _MOST)


def _colour(vma: LessonVma) -> str:
    """Return the class of a VMA's colour, as on the map of other pages."""
    perms = vma.line.perms
    if perms.startswith("---"):
        return "none"
    if perms.endswith("s"):
        return "shared"
    if "x" in perms:
        return "wx" if "w" in perms else "code"
    return "write" if "w" in perms else "read"
