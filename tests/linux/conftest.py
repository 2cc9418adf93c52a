# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine with one process in it, for tests that go through the call table."""

from collections.abc import Iterator

import pytest

from vmalab.linux.fs.exec import begin_new_exec
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.mm.vma.validate import mm_violations
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task


@pytest.fixture
def machine() -> Iterator[LinuxMachine]:
    """A machine; at the end every map must be sound, and nothing left once all tasks are gone."""
    machine = LinuxMachine(KernelConfig())
    yield machine
    for task in list(machine.tasks.values()):
        if task.mm is not None:
            assert mm_violations(task.mm) == []
    for task in list(machine.tasks.values()):
        machine.exit_task(task)
    assert machine.leaks() == []


@pytest.fixture
def task(machine: LinuxMachine) -> Task:
    """A process with an empty address space and a stack limit of 8 MiB."""
    task = machine.spawn(100)
    task.signal.rlim_cur[3] = 8 << 20
    begin_new_exec(task)
    return task


@pytest.fixture
def mm(task: Task) -> Mm:
    """The address space of `task`."""
    assert task.mm is not None
    return task.mm
