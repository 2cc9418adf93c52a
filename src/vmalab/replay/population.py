# SPDX-License-Identifier: GPL-2.0-or-later
"""Bounds what all processes of a replay have together: each fork copies a whole address space.

One line of a log makes one VMA, or opens one file, but a fork copies all that there are: a small
log can make any number of them.
"""

from typing import NamedTuple, final

from vmalab.calls.errors import ReadError
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.recording.format.meta import MAX_IMAGES


class Bounds(NamedTuple):
    """What there may be at most.

    images: names of images. copies: VMAs and descriptors of all live processes when one of them
    forks, half a kilobyte each.
    """

    images: int = MAX_IMAGES
    copies: int = 1 << 21


@final
class Population:
    """Counts the images and copies that a log makes. Errors of all methods: ReadError."""

    def __init__(self, machine: LinuxMachine, log: str, bounds: Bounds) -> None:
        self._machine = machine
        self._log = log
        self._bounds = bounds
        self._images: set[str] = set()
        # What was counted last, and all copies since: more than there are, as some have ended.
        self._known = 0

    def check_image(self, name: str, line: int) -> None:
        """Check that an image may come, beside those of other names."""
        most = self._bounds.images
        if len(self._images) >= most and name not in self._images:
            raise ReadError(self._log, line, f"more than {most} images")
        self._images.add(name)

    def check_fork(self, pid: int, line: int) -> None:
        """Check that a process's VMAs and descriptors may be copied."""
        parent = self._machine.tasks.get(pid)
        if parent is None:
            return
        copies = len(parent.files.fdt) + (0 if parent.mm is None else parent.mm.map_count)
        most = self._bounds.copies
        self._known += copies
        if self._known <= most:
            return
        self._known = self._count() + copies
        if self._known > most:
            why = f"with this fork, all processes have more than {most} VMAs and descriptors"
            raise ReadError(self._log, line, why)

    def _count(self) -> int:
        """Count the VMAs and descriptors of all processes."""
        tasks = self._machine.tasks.values()
        tables = {id(task.files): len(task.files.fdt) for task in tasks}
        spaces = {id(task.mm): int(task.mm.map_count) for task in tasks if task.mm is not None}
        return sum(tables.values()) + sum(spaces.values())
