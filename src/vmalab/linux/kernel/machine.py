# SPDX-License-Identifier: GPL-2.0-or-later
"""One running kernel: its configuration, its tasks, its files, its shared memory.

Everything that a kernel keeps in global variables hangs here, so two machines know nothing of each
other.
"""

from __future__ import annotations

from typing import final

from mypy_extensions import mypyc_attr

from vmalab.linux.include.config import KernelConfig
from vmalab.linux.kernel.exit import enter_task, exit_all, exit_task
from vmalab.linux.mm.vma_internal import VmaInternal
from vmalab.linux.types.files import FilesStruct
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.task import Task


@final
@mypyc_attr(native_class=True)
class LinuxMachine(MachineState):
    """A kernel with its tasks and files."""

    def __init__(self, config: KernelConfig, seam: VmaInternal | None = None) -> None:
        super().__init__(config, VmaInternal(KernelState(config)) if seam is None else seam)

    def spawn(self, pid: int = 0) -> Task:
        """Return a process with an empty address space, no files, no limits.

        `pid` 0 chooses a number.
        """
        if pid == 0:
            pid = self.take_pid()
        mm = self.new_mm()
        task = Task(self, pid, pid, mm, FilesStruct())
        mm.owner = task
        enter_task(task)
        return task

    def add_task(self, task: Task) -> None:
        """Enter a new task; see `kernel/exit.py`."""
        enter_task(task)

    def exit_task(self, task: Task) -> None:
        """A thread ends; see `kernel/exit.py`."""
        exit_task(task)

    def shutdown(self) -> None:
        """Let every task exit, so that nothing of the machine stays behind in Python's memory."""
        exit_all(self)
