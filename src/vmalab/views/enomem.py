# SPDX-License-Identifier: GPL-2.0-or-later
"""Why calls failed and how much of each limit is left, as tables and as JSON."""

from typing import Final

from rich.table import Table

from vmalab.explain.enomem.failed_calls import Enomem, FailureGroup, Refused, Trend
from vmalab.explain.enomem.headroom import GAP, Headroom
from vmalab.explain.enomem.limit_checks import BYTES, PAGES, size_text
from vmalab.explain.enomem.sensible import limit_words
from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE
from vmalab.targets.model.versions import linux_named
from vmalab.views.output import put
from vmalab.views.text_table import counted, table
from vmalab.views.visible import visible

# Refusals that are shown in full, unless all are asked for, and groups that are listed.
SHOWN: Final = 5
LISTED: Final = 40


def amount(number: int, unit: str) -> str:
    """Return a figure for people: "12 VMAs", "1.5 GiB"."""
    if unit == PAGES:
        return size_text(number << PAGE_SHIFT)
    if unit == BYTES:
        return size_text(number)
    return f"{number:,} {unit.removesuffix('s') if number == 1 else unit}".strip()


def rate(number: float | None, unit: str) -> str:
    """Growth in a call or a second; "" where it is not known."""
    if number is None:
        return ""
    if number == 0:
        return "0"
    if unit == PAGES:
        return ("-" if number < 0 else "+") + size_text(round(abs(number) * PAGE_SIZE))
    return f"{number:+.0f}" if abs(number) >= 100 else f"{number:+.3g}"


def duration(seconds: int) -> str:
    """ "40 s", "12 min", "5 h", "3 days"."""
    for size, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


def print_enomem(found: Enomem, *, everything: bool) -> None:
    """The findings of one recording on standard output."""
    others = ""
    if found.others_failed:
        others = f", and {found.others_failed} other call{'s' * (found.others_failed > 1)}"
    put(
        visible(f"{found.path}: {found.failed} of {found.calls} memory calls failed{others}, ")
        + linux_named(found.kernel),
    )
    if found.groups:
        print_groups(found.groups, everything)
    told = found.refused if everything else examples(found)
    for refused in told:
        put()
        for line in refused_lines(refused):
            put(visible(line))
    more = found.failed + found.others_failed - len(told)
    if more:
        how = "counted only" if everything else "--all shows more of them"
        put(f"\n{counted(more, 'more failed call')} ({how})")
    for image, rows in found.headroom.items():
        put()
        put(visible(f"image {image} at its end:"))
        print_headroom(rows)


def examples(found: Enomem) -> list[Refused]:
    """The first of each kind that hit a limit or, where none did, of the most frequent kind."""
    first = [group.example for group in found.groups if group.example is not None]
    limits = [refused for refused in first if refused.verdict.unit]
    return limits[:SHOWN] or first[:1]


def print_groups(groups: list[FailureGroup], everything: bool) -> None:
    """What refused how many calls."""
    rows = table(">times", "call", "errno", "refused by", ">beyond it", ">line")
    listed = groups if everything else groups[:LISTED]
    for group in listed:
        by = f"{group.check}: {group.argument}" if group.argument else group.check
        most = "" if group.most is None else amount(group.most, group.unit)
        rows.add_row(str(group.count), group.name, group.errno, by, most, str(group.first))
    put(rows)
    if len(groups) > len(listed):
        put(f"and {len(groups) - len(listed)} more kinds of refusals")


def refused_lines(refused: Refused) -> list[str]:
    """Return one refusal: the call, the check, how it came to that, what would have helped."""
    verdict = refused.verdict
    by = f"{verdict.check} ({refused.argument})" if refused.argument else verdict.check
    lines = [f"line {refused.line}: {refused.call} = {refused.errno}", f"  {by}: {verdict.why}"]
    if verdict.over is not None:
        lines.append(f"  beyond the limit by {amount(verdict.over, verdict.unit)}")
    if refused.trend is not None:
        lines.append(f"  before it: {trend_text(refused.trend, verdict.unit)}")
    if verdict.remedy:
        lines.append(f"  would have let it pass: {verdict.remedy}")
    if refused.sensible:
        with_room = limit_words(verdict.check, verdict.unit, refused.sensible)
        lines.append(f"  with room for what follows: {with_room}")
    return lines


def trend_text(trend: Trend, unit: str) -> str:
    """Return how the quantity had moved."""
    unit = PAGES if unit == BYTES else unit
    text = f"{amount(trend.now, unit)} in use"
    if not trend.calls:
        return text
    sign = "-" if trend.grew < 0 else "+"
    grew = f"{sign}{amount(abs(trend.grew), unit)}"
    text += f", {grew} in the last {trend.calls} memory calls"
    return text + (f" ({trend.seconds:.3g} s)" if trend.seconds > 0 else "")


def print_headroom(limits: list[Headroom]) -> None:
    """How much of each limit is left, on standard output."""
    put(headroom_table(limits))


def headroom_table(limits: list[Headroom]) -> Table:
    """Return how much of each limit is left; what is not known of any of them has no column."""
    timed = any(row.per_second is not None for row in limits)
    growing = timed or any(row.per_call is not None for row in limits)
    headings = ["limit of", ">used", ">most", ">limit"]
    if growing:
        headings += [">a second" if timed else ">a call", ">gone in"]
    rows = table(*headings)
    for row in limits:
        cells = [row.name, amount(row.used, row.unit), amount(row.most, row.unit)]
        cells.append("" if row.name == GAP else limit_text(row))
        if growing:
            cells += [rate(row.per_second if timed else row.per_call, row.unit), gone_in(row)]
        rows.add_row(*cells)
    return rows


def limit_text(row: Headroom) -> str:
    """Return a limit, "none", or "?" for one that is not known."""
    if row.limit is not None:
        return amount(row.limit, row.unit)
    return "none" if row.limit_known else "?"


def gone_in(row: Headroom) -> str:
    """When a limit is used up at the present rate; "" for never."""
    if row.seconds_left is not None:
        return duration(row.seconds_left)
    return "" if row.calls_left is None else f"{row.calls_left} calls"
