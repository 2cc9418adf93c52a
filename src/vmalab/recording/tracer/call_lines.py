# SPDX-License-Identifier: GPL-2.0-or-later
"""The calls of recorded threads, from their entry to the line of the log.

Calls that change an address space are let into the kernel one at a time among the threads that
share it, so that the order of the log is the order in which they took effect. A call that sleeps is
overtaken: its line is split as strace does, and the others go on.
"""

import os
import time
from collections.abc import Callable
from typing import Final, final

from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.recording.tracer import ptrace
from vmalab.recording.tracer.abi32 import result_of
from vmalab.recording.tracer.decode import (
    PAIRS,
    answers,
    entry_text,
    opened_note,
    result_text,
)
from vmalab.recording.tracer.lines import write_call, write_refused
from vmalab.recording.tracer.memory import Memory
from vmalab.recording.tracer.order import LOOK_EVERY, Order
from vmalab.recording.tracer.recording_writer import Output
from vmalab.recording.tracer.registers import call_at
from vmalab.recording.tracer.rights import gains_rights, may_trace_all
from vmalab.recording.tracer.signals import is_trapped
from vmalab.recording.tracer.sleeps import note_sleep
from vmalab.recording.tracer.space import Flight, Space, Tracee
from vmalab.recording.tracer.stops import CLOSERS, EXECS, FORKS, ORDERED
from vmalab.recording.tracer.untraced import take_out

# How often a close is looked for that must have ended.
_CLOSE_LOOKS: Final = 25


@final
class Calls:
    """The calls under way. go: lets a thread run on; handle: takes what waitpid() says of one;
    part: lets the process of a thread go before its call.
    """

    def __init__(
        self,
        output: Output,
        tasks: dict[int, Tracee],
        go: Callable[[Tracee], None],
        handle: Callable[[int, int], None],
        part: Callable[[Tracee], None],
    ) -> None:
        self._output = output
        self._tasks = tasks
        self._go = go
        self._handle = handle
        self._part = part
        self._may_trace_all = may_trace_all()
        self.order: Final = Order(self._enter, self._overtaken)

    def entered(self, task: Tracee, space: Space, memory: Memory, stop: ptrace.Stop) -> None:
        """A thread is about to make a call: it does so now, or when its turn comes."""
        call = call_at(task.tid, stop, memory)
        note_sleep(task, stop)
        if call is None:
            self._go(task)
            return
        if call.name in EXECS and not self._may_trace_all and gains_rights(call):
            self._part(task)
            return
        flight = task.flight = Flight(call, entry_text(call))
        if stop.arch == ptrace.AUDIT_ARCH_I386:
            flight.registers = (stop.words[0], stop.words[1:])
        if call.name not in ORDERED:
            self._go(task)
            return
        if call.name not in CLOSERS and flight.registers is None:
            flight.frames = space.stack(task.tid)
        self.order.ask(space, task, flight)

    def _enter(self, task: Tracee, space: Space, flight: Flight) -> None:
        """Let a thread into a call that changes its space, alone."""
        name = flight.call.name
        if name in EXECS:
            alone = all(self._tasks[tid].tgid == task.tgid for tid in space.tasks)
            task.ending = space.last(task.tid) if alone else None
        space.before(task.tid, flight.call)
        if name in FORKS:
            narrow = flight.registers is not None
            flight.untraced = take_out(task.tid, flight.call, narrow=narrow)
        self._go(task)

    def left(self, task: Tracee, result: int) -> None:
        """A call has returned."""
        flight, space = task.flight, task.space
        task.ending = None
        if flight is None or space is None or space.memory is None or task.sleeps_on:
            # Of no interest, or to be made anew.
            task.flight = None
            self._go(task)
            return
        call = flight.call
        if flight.untraced is not None:
            flight.untraced.restore(task.tid)
        if flight.registers is not None:
            result = result_of(*flight.registers, result, space.memory)
        if result == NUMBER_OF_SYSCALL.get(call.name) and is_trapped(task.tid):
            write_refused(self._output, task, flight)
            self.order.release(space, task)
            task.flight = None
            self._go(task)
            return
        if result >= 0 and call.name not in ORDERED:
            self._await_closer(space, result)
        if call.name in PAIRS:
            answers(call, result, space.memory)
            flight.text = entry_text(call)
        if flight.ordered and call.name not in CLOSERS:
            space.after(call, result)
        self.finish(task, space, flight, result_text(call, result) + opened_note(call, result))
        self._go(task)

    def finish(self, task: Tracee, space: Space, flight: Flight, result: str) -> None:
        """A call has ended: its line, the map after it, and the next thread's turn."""
        line = write_call(self._output, task, flight, result)
        if flight.call.name in ORDERED:
            space.logged(task.tid, flight.call, line)
        self.order.release(space, task)
        task.flight = None

    def _await_closer(self, space: Space, fd: int) -> None:
        """Another thread's close may have made room for a descriptor: its line comes first."""
        holder = space.holder
        if holder is None or holder.flight is None:
            return
        call = holder.flight.call
        if call.name in CLOSERS and fd in (call.args[0], call.args[1]):
            for _ in range(_CLOSE_LOOKS):
                tid, status = os.waitpid(holder.tid, ptrace.WALL | os.WNOHANG)
                if tid:
                    self._handle(tid, status)
                    return
                time.sleep(LOOK_EVERY)

    def leave_unfinished(self, task: Tracee, flight: Flight) -> None:
        """The recording ends while a thread is in a call that others would wait for."""
        if flight.ordered and not flight.unfinished:
            flight.unfinished = True
            self._overtaken(task, flight)

    def _overtaken(self, task: Tracee, flight: Flight) -> None:
        """Others go on before a call returns."""
        self._output.line(task.tid, f"{flight.text} <unfinished ...>", flight.when)
