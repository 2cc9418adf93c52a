# SPDX-License-Identifier: GPL-2.0-or-later
"""The processes in a kernel's memory, by their VMAs, as a table."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from vmalab.recording.memory.address_space import Process
from vmalab.views.text_table import table
from vmalab.views.visible import visible


@dataclass(frozen=True, slots=True)
class ProcessesFound:
    """What is printed. subject: as the user named it. release: of the kernel, as it says."""

    subject: str
    release: str
    processes: list[Process]


def process_tables(found: ProcessesFound, top: int) -> Iterator[RenderableType]:
    """Yield everything for people; top: how many processes are listed."""
    many = f"{len(found.processes)} process{'es' * (len(found.processes) != 1)}"
    yield Text(visible(f"{found.subject}: {many} of Linux {found.release}"), style="bold")
    rows = table(">VMAs", ">PID", "name")
    for process in found.processes[:top]:
        rows.add_row(str(process.vmas), str(process.pid), visible(process.name))
    yield rows
    if len(found.processes) > top:
        rest = len(found.processes) - top
        yield Text(f"and {rest} more (--top {len(found.processes)} lists all)")
    yield Text("--pid PID explains one of them.")
