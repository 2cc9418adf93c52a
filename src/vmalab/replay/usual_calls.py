# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries out the calls of which logs have the most: their registers say all of them.

Of such a call nothing is to be learnt before it is made, and its result is all that is compared.
So it goes from the log to the engine as plain numbers. What is not as recorded is judged as any
other call is, from then on.
"""

from typing import Final, final

from mypy_extensions import i64

from vmalab.calls.call import Call
from vmalab.calls.ranges import Ranges
from vmalab.calls.table import ADDRESS, RANGED
from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE, PMD_SIZE, SZ_4G, TASK_SIZE_5LEVEL
from vmalab.linux.include.uapi.mman import (
    MADV_COLLAPSE,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    MAP_TYPE,
)
from vmalab.linux.include.uapi.seccomp import SECCOMP_MODE_DISABLED
from vmalab.linux.include.uapi.unistd import NR_brk, NR_madvise, NR_mmap
from vmalab.linux.lib.xa_node import shift_left
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.replay.fault_history import FaultHistory
from vmalab.replay.process_image import ImageState
from vmalab.replay.report import ReplayFigures
from vmalab.replay.rights import Rights, asks_for_code, filtered_as
from vmalab.targets.model.model import ModelTarget

_PRIVATE: Final = MAP_PRIVATE | MAP_ANONYMOUS
# Numbers of calls that have a bit: most that are made often are below.
_NOTED: Final = 62


@final
class Caller:
    """A thread that makes calls, with what stays the same while it makes usual ones.

    supposes: whether anything is supposed about its memory. floor: below it no address was
    answered, in bytes, but by a 32-bit call. passed: what its filters, so many, have let pass;
    noted: calls among them that were not for code, a bit for each of the first numbers.
    """

    def __init__(
        self, state: ImageState, figures: ReplayFigures, task: Task, mm: Mm, supposes: bool
    ) -> None:
        self.state = state
        self.figures = figures
        self.task = task
        self.mm = mm
        self.supposes = supposes
        self.floor: i64 = SZ_4G if mm.task_size > SZ_4G else 0
        self.passed: set[str] = set()
        self.noted: i64 = 0
        self.filters = -1


@final
class Callers:
    """Who makes usual calls, by thread; to be cleared when threads or their memory change."""

    def __init__(
        self, target: ModelTarget, faults: FaultHistory, of_thread: dict[int, ImageState]
    ) -> None:
        self._target = target
        self._faults = faults
        self._of_thread = of_thread
        self._known: dict[int, Caller] = {}
        # Who has been asked for last, and their number.
        self._last: Caller | None = None
        self._last_tid = 0

    def of(self, tid: int) -> Caller | None:
        """Return who makes the calls of a thread; None where none of them can be usual."""
        if self._last is not None and tid == self._last_tid:
            return self._last
        caller = self._known.get(tid) or self._new_caller(tid)
        self._last, self._last_tid = caller, tid
        return caller

    def _new_caller(self, tid: int) -> Caller | None:
        state, task = self._of_thread.get(tid), self._target.task(tid)
        if state is None or task is None or state.report is None:
            return None
        mm = state.mm
        if mm is None or task.mm is not mm:
            return None
        caller = Caller(state, state.report.figures, task, mm, self._faults.supposes(mm))
        self._known[tid] = caller
        return caller

    def clear(self) -> None:
        """Threads, or what memory they have, may be about to change."""
        if self._known:
            self._known.clear()
            self._last = None


@final
class UsualCalls:
    """Carries out the usual calls of one replay. at_length: no call is to count as one."""

    def __init__(self, target: ModelTarget, faults: FaultHistory, rights: Rights) -> None:
        self._target = target
        self._faults = faults
        self._rights = rights
        self.at_length = False

    def is_usual(self, caller: Caller, call: Call) -> bool:
        """Return whether a call by registers has succeeded, and tells of nothing but itself."""
        result = call.result
        if not call.native or result < 0 or self.at_length:
            return False
        if caller.state.recorded is not None and self._target.listener is not None:
            # Its map may show that the call is to be undone, and made anew.
            return False
        row = call.row
        number = row.number
        if row.family & ADDRESS and result < caller.floor:
            return False
        if number == NR_mmap:
            return self._is_usual_mmap(call)
        if number == NR_brk:
            return call.a0 > 0 and result >= call.a0
        return number != NR_madvise or call.a2 != MADV_COLLAPSE

    def _is_usual_mmap(self, call: Call) -> bool:
        """Return whether an mmap is of private memory, and where shows nothing of the machine."""
        flags = call.a3
        if flags & (MAP_TYPE | MAP_ANONYMOUS) != _PRIVATE:
            return False
        if 0 <= call.a1 < PMD_SIZE or flags & (MAP_FIXED | MAP_FIXED_NOREPLACE):
            return True
        return self._target.kernel_known

    def assume(self, caller: Caller, call: Call, touched: Ranges | None) -> None:
        """Let memory have the faults which are supposed by the time that a call is made.

        touched: what it may change; None where that is its range, and its result's.
        """
        if caller.supposes:
            if touched is None:
                self._assume(caller.mm, call)
            else:
                self._faults.assume(caller.mm, touched)

    def carry_out(self, caller: Caller, call: Call) -> i64:
        """Make a usual call: its result."""
        return self._target.apply_registers(caller.task, call)

    def _assume(self, mm: Mm, call: Call) -> None:
        """Apply the prior of faults to where a call works, and to where it has mapped."""
        faults = self._faults
        start = _within(call.a0)
        length = _within(call.a1)
        faults.assume_within(mm, start & PAGE_MASK, _page_end(start + length))
        if call.row.number == NR_mmap and call.result != call.a0:
            start = _within(call.result)
            faults.assume_within(mm, start & PAGE_MASK, _page_end(start + length))

    def note_passed(self, caller: Caller, call: Call) -> None:
        """Note that no filter has refused a call."""
        task = caller.task
        if task.seccomp_mode == SECCOMP_MODE_DISABLED:
            return
        if caller.filters != task.filter_count:
            caller.filters = task.filter_count
            caller.passed = self._rights.let_pass(task)
            caller.noted = 0
        code = asks_for_code(call)
        number = call.row.number
        if code or number >= _NOTED or caller.noted >> number & 1 == 0:
            caller.passed.add(filtered_as(call))
            if not code and number < _NOTED:
                caller.noted |= shift_left(1, number)


def works_elsewhere(call: Call) -> bool:
    """Return whether a usual call may change more than its range, and than where it has mapped."""
    return call.row.family & RANGED == 0


def _within(value: i64) -> i64:
    """Return an address or a length, no larger than the address space."""
    # A conditional expression would make an object of the number.
    if 0 <= value < TASK_SIZE_5LEVEL:
        return value
    return TASK_SIZE_5LEVEL


def _page_end(end: i64) -> i64:
    """Return an end as that of whole pages, within the address space."""
    return (_within(end) + PAGE_SIZE - 1) & PAGE_MASK
