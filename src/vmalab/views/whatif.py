# SPDX-License-Identifier: GPL-2.0-or-later
"""A what-if's findings as tables and as JSON: both runs side by side."""

from typing import Final

from vmalab.explain.enomem.limit_checks import size_text
from vmalab.explain.history.series import Sample, Series
from vmalab.explain.whatif.changes import Changes
from vmalab.explain.whatif.comparison import Doubt, ImageOutcome, OtherCall, Side, WhatIf
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.targets.model.versions import linux_named
from vmalab.views.output import put
from vmalab.views.text_table import table
from vmalab.views.visible import visible

# Images and calls of each kind that are shown, moments of a series, and lines of a doubt.
SHOWN: Final = 5
MOMENTS: Final = 8
LINES: Final = 6


def changes_text(changes: Changes) -> list[str]:
    """Return each change in words."""
    found = []
    for pattern in changes.drops:
        words = ", ".join(pattern.words)
        found.append(f"without {pattern.name}({words})" if words else f"without {pattern.name}")
    found += [f"{name}={value}" for name, value in changes.sysctl.items()]
    found += [f"RLIMIT_{name}={_limit(value)}" for name, value in changes.rlimits.items()]
    if changes.kernel is not None:
        found.append(linux_named(changes.kernel))
    if changes.guards:
        found.append("guard regions in the place of guard pages")
    if changes.thp is not None:
        found.append(f"transparent huge pages: {changes.thp}")
    if changes.no_names:
        found.append("without names of anonymous memory")
    if changes.seam is not None:
        found.append(f"rule {getattr(changes.seam, '__name__', 'of a file')}")
    return found or ["nothing is changed"]


def _limit(value: int) -> str:
    return "unlimited" if value >= 1 << 63 else size_text(value)


def print_whatif(found: WhatIf, changes: Changes, *, everything: bool) -> None:
    """The findings on standard output."""
    what = ", ".join(changes_text(changes))
    put(visible(f"{found.path}: what if: {what}"))
    made = f", {found.made_otherwise} changed" if found.made_otherwise else ""
    put(f"{found.calls} memory calls, {found.left_out} left out{made}, {linux_named(found.kernel)}")
    shown_images = found.images if everything else _largest(found.images)
    for image in shown_images:
        put()
        print_image(image)
    if len(found.images) > len(shown_images):
        put(f"\n{len(found.images) - len(shown_images)} more images (--all shows them)")
    print_calls("fails now", "fail now", found.fails, found.fail_now, everything)
    print_calls("no longer fails", "no longer fail", found.passes, found.pass_now, everything)
    if found.doubts:
        put("\ndoubtful, as a recording does not show what the program would have done:")
        for doubt in found.doubts.values():
            put(f"  {doubt_text(doubt)}")


def _largest(images: list[ImageOutcome]) -> list[ImageOutcome]:
    """Return the images with the most VMAs, in their order."""
    ranked = sorted(images, key=lambda image: -max(image.recorded.peak, image.other.peak))
    kept = {image.name for image in ranked[:SHOWN]}
    return [image for image in images if image.name in kept]


def print_image(image: ImageOutcome) -> None:
    """Both runs of one image."""
    rows = table(f"image {visible(image.name)}", ">recorded", ">with changes", ">difference")
    one, two = image.recorded, image.other
    pairs = [("VMAs at most", one.peak, two.peak), ("VMAs at its end", *_ends(one, two))]
    for name, recorded, other in pairs:
        rows.add_row(name, str(recorded), str(other), f"{other - recorded:+d}")
    sizes = [
        (
            "address space at its end",
            one.pages_at_end << PAGE_SHIFT,
            two.pages_at_end << PAGE_SHIFT,
        ),
        ("private memory, at most", one.most.resident, two.most.resident),
        ("of it in huge pages", one.most.huge, two.most.huge),
        ("page tables, at most", one.most.page_tables, two.most.page_tables),
        ("objects of VMAs, at most", one.most.kernel, two.most.kernel),
    ]
    for name, recorded, other in sizes:
        rows.add_row(name, size_text(recorded), size_text(other), _difference(other - recorded))
    failed = (one.series.failures, two.series.failures)
    rows.add_row("failed calls", str(failed[0]), str(failed[1]), f"{failed[1] - failed[0]:+d}")
    put(rows)
    if one.peak != two.peak:
        print_over_time(image)


def _ends(one: Side, two: Side) -> tuple[int, int]:
    return one.vmas_at_end, two.vmas_at_end


def _difference(number: int) -> str:
    if number == 0:
        return "+0"
    return ("-" if number < 0 else "+") + size_text(abs(number))


def print_over_time(image: ImageOutcome) -> None:
    """The number of VMAs at some moments."""
    pairs = moments(image.recorded.series, image.other.series)
    if len(pairs) < 3:
        return
    rows = table("VMAs over time", ">after call", ">line", ">recorded", ">with changes")
    for recorded, other in pairs:
        index, line = str(recorded.index), str(recorded.line or "")
        rows.add_row("", index, line, str(recorded.vmas), str(other.vmas))
    put()
    put(rows)


def moments(one: Series, two: Series) -> list[tuple[Sample, Sample]]:
    """Return a few moments of both, evenly apart."""
    pairs = list(zip(one.all(), two.all(), strict=False))
    if len(pairs) <= MOMENTS:
        return pairs
    step = (len(pairs) - 1) / (MOMENTS - 1)
    return [pairs[round(number * step)] for number in range(MOMENTS)]


def print_calls(one: str, many: str, number: int, calls: list[OtherCall], everything: bool) -> None:
    """Calls that fail in one run only."""
    if not number:
        return
    put(f"\n1 call {one}:" if number == 1 else f"\n{number} calls {many}:")
    listed = calls if everything else calls[:SHOWN]
    for call in listed:
        put(visible(f"  line {call.line}: {call.call}"))
        made = f" (made as {call.made})" if call.made else ""
        put(visible(f"    {call.recorded}, with changes {call.other}{made}"))
        if call.why:
            put(visible(f"    {call.why}"))
    if number > len(listed):
        put(f"  and {number - len(listed)} more")


def doubt_text(doubt: Doubt) -> str:
    """Return a doubt with its count and first lines."""
    lines = ", ".join(str(line) for line in doubt.lines[:LINES])
    more = ", ..." if len(doubt.lines) > LINES else ""
    where = "line" if len(doubt.lines) == 1 else "lines"
    calls = "call" if doubt.count == 1 else "calls"
    return f"{doubt.count} {calls}: {doubt.reason} ({where} {lines}{more})"
