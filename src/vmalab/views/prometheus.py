# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits and refusals in Prometheus' text exposition format, for a textfile collector.

Sizes are in bytes, a limit that is none is +Inf, and a time that is not known is left out.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from vmalab.explain.enomem.failed_calls import Enomem
from vmalab.explain.enomem.headroom import (
    AS,
    COMMIT,
    DATA,
    GAP,
    MAP_COUNT,
    MEMLOCK,
    STACK,
    Headroom,
)
from vmalab.explain.enomem.limit_checks import PAGES
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.views.visible import visible

# Limit -> the stem of its metrics, and what it is.
_STEMS: Final = {
    MAP_COUNT: ("vmalab_map_count", "VMAs of the process"),
    AS: ("vmalab_address_space_bytes", "Size of the address space (RLIMIT_AS)"),
    DATA: ("vmalab_data_bytes", "Private writable memory (RLIMIT_DATA)"),
    MEMLOCK: ("vmalab_locked_bytes", "Locked memory (RLIMIT_MEMLOCK)"),
    STACK: ("vmalab_stack_bytes", "Stack of the main thread (RLIMIT_STACK)"),
    COMMIT: ("vmalab_committed_bytes", "Committed memory of the machine (vm.overcommit_memory=2)"),
    GAP: ("vmalab_largest_gap_bytes", "Longest free range of addresses"),
}
_FAILED: Final = "vmalab_refused_calls_total"

Labels = dict[str, str]


def label_text(labels: Labels) -> str:
    """Labels as they stand behind a metric's name."""
    if not labels:
        return ""
    parts = []
    for name, value in labels.items():
        escaped = visible(value, lines=True).replace("\\", "\\\\").replace('"', '\\"')
        escaped = escaped.replace("\n", "\\n")
        parts.append(f'{name}="{escaped}"')
    return "{" + ",".join(parts) + "}"


def headroom_lines(rows: Iterable[tuple[Labels, Headroom]]) -> Iterator[str]:
    """Metrics of limits; each is of the process, or image, that its labels name."""
    found = list(rows)
    for name, (stem, what) in _STEMS.items():
        own = [(label_text(labels), row) for labels, row in found if row.name == name]
        if not own:
            continue
        yield f"# HELP {stem} {what}."
        yield f"# TYPE {stem} gauge"
        for text, row in own:
            yield f"{stem}{text} {_size(row.used, row)}"
        own = [(text, row) for text, row in own if row.limit_known]
        if name == GAP or not own:
            continue
        yield f"# HELP {_derived(stem, 'limit')} Limit of {stem}."
        yield f"# TYPE {_derived(stem, 'limit')} gauge"
        for text, row in own:
            limit = "+Inf" if row.limit is None else str(_size(row.limit, row))
            yield f"{_derived(stem, 'limit')}{text} {limit}"
        timed = [(text, row) for text, row in own if row.seconds_left is not None]
        if timed:
            left = _derived(stem, "exhausted_in").removesuffix("_bytes") + "_seconds"
            yield f"# HELP {left} Seconds until the limit is reached at the present rate."
            yield f"# TYPE {left} gauge"
            for text, row in timed:
                yield f"{left}{text} {row.seconds_left}"


def refusal_lines(found: Enomem) -> Iterator[str]:
    """Metrics of one recording: its limits, and its failed calls."""
    rows = [({"image": image}, row) for image, rows in found.headroom.items() for row in rows]
    yield from headroom_lines(rows)
    yield f"# HELP {_FAILED} Memory calls that failed, by what refused them."
    yield f"# TYPE {_FAILED} counter"
    counts: dict[str, int] = {}
    for group in found.groups:
        labels = {"check": group.check, "call": group.name, "errno": group.errno}
        text = label_text(labels)
        counts[text] = counts.get(text, 0) + group.count
    for text, count in counts.items():
        yield f"{_FAILED}{text} {count}"


def _derived(stem: str, what: str) -> str:
    """Return a metric beside another: the unit stays at the end of its name."""
    if stem.endswith("_bytes"):
        return f"{stem.removesuffix('_bytes')}_{what}_bytes"
    return f"{stem}_{what}"


def _size(number: int, row: Headroom) -> int:
    return number << PAGE_SHIFT if row.unit == PAGES else number
