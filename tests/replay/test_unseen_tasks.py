# SPDX-License-Identifier: GPL-2.0-or-later
"""Tasks that no call of a log made are told at a cost that processes do not multiply."""

from collections.abc import Iterator

import pytest

from vmalab.calls.call import Call, Event
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.recording.readers.strace import StraceReader
from vmalab.replay.process_image import ImageState
from vmalab.replay.unseen_tasks import UnseenTasks

FIRST = "7 munmap(0x7f0000004000, 8192) = 0"


class Counted(list[Event]):
    """Events that count how often they are looked through."""

    times = 0

    def __iter__(self) -> Iterator[Event]:
        self.times += 1
        return super().__iter__()


def ahead_of(*lines: str) -> tuple[Call, Counted]:
    reader = StraceReader()
    for line in lines:
        reader.feed(line)
    reader.finish()
    first, *ahead = reader.take()
    assert isinstance(first, Call)
    return first, Counted(ahead)


def kinds(first: Call, ahead: Counted, count: int) -> int:
    machine = LinuxMachine(KernelConfig())
    processes = [
        (ImageState(f"{pid}.0", None, None, None), machine.new_mm()) for pid in range(count)
    ]
    return len(list(UnseenTasks().kin(first, ahead, lambda: processes)))


@pytest.mark.parametrize("last", ["8 brk(NULL) = 0x556b67286000", "7 exit_group(0) = ?"])
def test_log_is_not_read_again_for_each_process(last: str) -> None:
    one, many = ahead_of(FIRST, last), ahead_of(FIRST, last)
    assert kinds(*one, 1) == kinds(*many, 50) == 0
    assert one[1].times == many[1].times


def test_task_that_touches_nothing_is_compared_with_no_process() -> None:
    first, ahead = ahead_of("7 brk(NULL) = 0x556b67286000")
    assert list(UnseenTasks().kin(first, ahead, lambda: pytest.fail("asked for"))) == []


def test_parent_that_is_told_of_an_end_has_a_child() -> None:
    signal = "5 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=7, si_uid=0} ---"
    assert kinds(*ahead_of(FIRST, signal), 2) == 2
