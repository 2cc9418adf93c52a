# SPDX-License-Identifier: GPL-2.0-or-later
"""How soon a check finds each bug that was put into the model, for people and for programs."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from vmalab.check.hunt import FEW, Trace
from vmalab.views.text_table import table


def trace_table(traces: Sequence[Trace]) -> Table:
    """Return a row for each bug that was looked for."""
    made = table("bug put into the model", ">calls", "profile", ">shrunk to", "last call*")
    for trace in traces:
        shrunk = trace.shrunk
        if trace.sought.hidden:
            continue
        if shrunk is None:
            made.add_row(trace.sought.name, str(trace.calls), "", "", "NOT FOUND")
            continue
        finding = shrunk.finding
        size = f"{trace.size}{' !' if trace.missed else ''}"
        last = finding.difference.last.name
        made.add_row(trace.sought.name, str(trace.calls), finding.profile, size, last)
    return made


def verdict_lines(traces: Sequence[Trace]) -> Iterator[str]:
    """Yield what was not looked for and why, and the sum."""
    hidden: dict[str, list[str]] = {}
    for trace in traces:
        if trace.sought.hidden:
            hidden.setdefault(trace.sought.hidden, []).append(trace.sought.name)
    for reason, names in hidden.items():
        yield f"not looked for: {', '.join(names)}: {reason}"
    sought = [trace for trace in traces if not trace.sought.hidden]
    missed = [trace.sought.name for trace in sought if trace.missed]
    yield f"{len(sought)} looked for, {len(sought) - len(missed)} found in at most {FEW} calls"
    if missed:
        yield f"missed: {', '.join(missed)}"
