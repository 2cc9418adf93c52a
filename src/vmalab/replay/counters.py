# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares what the model counts of an address space with the counters of a snapshot."""

from vmalab.linux.fs.proc.task_mem import mm_status
from vmalab.linux.types.mm_types import Mm


def differing_counters(mm: Mm, recorded: dict[str, int]) -> list[str]:
    """Return the names of counters (lines of /proc/PID/status, kB) that are not as recorded.

    What the model says it cannot know is never one of them.
    """
    counted = mm_status(mm)
    return [
        name
        for name, value in recorded.items()
        if name in counted and counted[name] not in (-1, value)
    ]


def told(mm: Mm, names: list[str], recorded: dict[str, int] | None) -> str:
    """Counters as a sentence has them: as recorded, or, without a record, as the model counts."""
    values = mm_status(mm) if recorded is None else recorded
    return ", ".join(f"{name} {values[name]} kB" for name in names)
