# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorder: follows threads, children and execs of a program, and writes what they do.

Calls that change an address space are let into the kernel one at a time among the threads that
share it, so that the order of the log is the order in which they took effect. A call that sleeps is
overtaken: its line is split as strace does, and the others go on.
"""

import os
import signal
import time
from typing import Final, final

from vmalab.linux.include.uapi.sched import CLONE_THREAD, CLONE_VM
from vmalab.recording.tracer import ptrace
from vmalab.recording.tracer.abi32 import result_of
from vmalab.recording.tracer.decode import (
    PAIRS,
    Memory,
    answers,
    entry_text,
    opened_note,
    result_text,
    whole_call,
)
from vmalab.recording.tracer.flags import task_flags
from vmalab.recording.tracer.order import LOOK_EVERY, Order
from vmalab.recording.tracer.output import Output
from vmalab.recording.tracer.registers import call_at, result_of_killed
from vmalab.recording.tracer.signals import signal_line, signal_name
from vmalab.recording.tracer.space import Choices, Flight, LastMap, Space, Task
from vmalab.recording.tracer.syscalls import CLOSERS, ENDS, EXECS, ORDERED

_FORK_EVENTS: Final = frozenset(
    (ptrace.PTRACE_EVENT_FORK, ptrace.PTRACE_EVENT_VFORK, ptrace.PTRACE_EVENT_CLONE)
)
_STOPS: Final = frozenset((signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))
# How often a close is looked for that must have ended.
_CLOSE_LOOKS: Final = 25


@final
class Recorder:
    """Writes one recording. filtered: the programs run under the filter of `launch`."""

    def __init__(self, output: Output, choices: Choices, *, filtered: bool) -> None:
        self.output = output
        self.tasks: dict[int, Task] = {}
        # Stops of children that came before their parent's event told of them.
        self._early: set[int] = set()
        self._choices = choices
        self._filtered = filtered
        self._execs: dict[int, int] = {}
        self._order = Order(self._enter, self._overtaken)
        # Whether threads are kept where they stop, see `hold`, and those that are.
        self.gathering = False
        self.held: set[int] = set()

    # Tasks.

    def add(self, tid: int, tgid: int) -> Task:
        """A thread that is traced from now on."""
        task = self.tasks[tid] = Task(tid, tgid)
        return task

    def join(self, task: Task, space: Space) -> None:
        """A thread uses a space."""
        task.space = space
        space.tasks.add(task.tid)

    def new_space(self, task: Task, name: str, *, executed: bool = False) -> list[str]:
        """A thread has a space of its own; the ranges of it that had been written to.

        executed: by an exec.
        """
        space = Space(self.output, name, self._choices)
        self.join(task, space)
        try:
            first = "main_image" not in self.output.meta
            return space.begin(task.tid, executed=executed, first=first)
        except OSError:
            # It was killed this very moment.
            return []

    # Stops.

    def handle(self, tid: int, status: int) -> None:
        """A thread has stopped or ended, as waitpid() says."""
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            self._gone(tid, status)
            return
        task = self.tasks.get(tid)
        if task is None:
            # A child whose parent's event is still to come: it stays stopped until then.
            self._early.add(tid)
            return
        try:
            self._stopped(task, os.WSTOPSIG(status), status >> 16)
        except ProcessLookupError:
            # Killed while it was held: its end will be told.
            return

    def _stopped(self, task: Task, number: int, event: int) -> None:
        if event == ptrace.PTRACE_EVENT_SECCOMP or number == signal.SIGTRAP | 0x80:
            self._at_call(task)
        elif event in _FORK_EVENTS:
            self._forked(task, event)
        elif event == ptrace.PTRACE_EVENT_EXEC:
            self._executed(task)
        elif event == ptrace.PTRACE_EVENT_EXIT:
            self._exiting(task)
            self._go(task)
        elif event == ptrace.PTRACE_EVENT_STOP:
            self._event_stop(task, number)
        elif event:
            self._go(task)
        else:
            self._signalled(task, number)

    def _go(self, task: Task) -> None:
        """Lets a thread run until its next stop of interest. Errors: ProcessLookupError."""
        if self.gathering:
            self.held.add(task.tid)
            return
        into_call = task.flight is not None or not self._filtered
        request = ptrace.PTRACE_SYSCALL if into_call else ptrace.PTRACE_CONT
        number, task.signal = task.signal, 0
        ptrace.ptrace(request, task.tid, 0, number)

    def _event_stop(self, task: Task, number: int) -> None:
        if number not in _STOPS:
            self._go(task)
            return
        self.output.line(task.tid, f"--- stopped by {signal_name(number)} ---")
        if self.gathering:
            self.held.add(task.tid)
        else:
            ptrace.ptrace(ptrace.PTRACE_LISTEN, task.tid)

    def _signalled(self, task: Task, number: int) -> None:
        info = ptrace.get_signal(task.tid)
        if info is not None:
            self.output.line(task.tid, signal_line(*info))
        task.signal = number
        self._go(task)

    # Calls.

    def _at_call(self, task: Task) -> None:
        stop = ptrace.get_syscall(task.tid)
        if stop.op == ptrace.AT_EXIT:
            self._left(task, stop.words[0])
        else:
            self._entered(task, stop)

    def _entered(self, task: Task, stop: ptrace.Stop) -> None:
        space = task.space
        if stop.op == 0 or space is None or space.memory is None:
            self._first_call(task, stop)
            return
        call = call_at(task.tid, stop, space.memory)
        if call is None:
            self._go(task)
            return
        flight = task.flight = Flight(call, entry_text(call))
        if stop.arch == ptrace.AUDIT_ARCH_I386:
            flight.registers = (stop.words[0], stop.words[1:])
        if call.name not in ORDERED:
            self._go(task)
            return
        if call.name not in CLOSERS and flight.registers is None:
            flight.frames = space.stack(task.tid)
        self._order.ask(space, task, flight)

    def _first_call(self, task: Task, stop: ptrace.Stop) -> None:
        """A call of the child that is to become the program: only its exec is of interest."""
        memory = Memory(task.tid)
        call = call_at(task.tid, stop, memory)
        memory.close()
        if call is not None and call.name in EXECS:
            task.flight = Flight(call, entry_text(call))
        self._go(task)

    def _enter(self, task: Task, space: Space, flight: Flight) -> None:
        """Lets a thread into a call that changes its space, alone."""
        name = flight.call.name
        if name in EXECS:
            alone = all(self.tasks[tid].tgid == task.tgid for tid in space.tasks)
            task.ending = space.last(task.tid) if alone else None
        if name not in CLOSERS:
            space.before(task.tid, flight.call)
        self._go(task)

    def _left(self, task: Task, result: int) -> None:
        """A call has returned."""
        flight, space = task.flight, task.space
        task.ending = None
        if flight is None or space is None or space.memory is None:
            task.flight = None
            self._go(task)
            return
        call = flight.call
        if flight.registers is not None:
            result = result_of(*flight.registers, result, space.memory)
        if result >= 0 and call.name not in ORDERED:
            self._await_closer(space, result)
        if call.name in PAIRS:
            answers(call, result, space.memory)
            flight.text = entry_text(call)
        if flight.ordered and call.name not in CLOSERS:
            space.after(call, result)
        self._finish(task, space, flight, result_text(call, result) + opened_note(call, result))
        self._go(task)

    def _finish(self, task: Task, space: Space, flight: Flight, result: str) -> None:
        """A call has ended: its line, the map after it, and the next thread's turn."""
        line = self._write(task, flight, result)
        if flight.call.name in ORDERED:
            space.logged(task.tid, flight.call, line)
        self._order.release(space, task)
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
                    self.handle(tid, status)
                    return
                time.sleep(LOOK_EVERY)

    def _write(self, task: Task, flight: Flight, result: str) -> int:
        """The line of a call that has ended, or the second half of it: its number."""
        if flight.unfinished:
            name = flight.call.name
            line = self.output.line(task.tid, f"<... {name} resumed>) = {result}")
        else:
            line = self.output.line(task.tid, whole_call(flight.text, result), flight.when)
        if flight.frames:
            self.output.more(flight.frames)
        return line

    def _write_killed(self, task: Task, flight: Flight) -> None:
        """A thread dies in a call: its line, unless the call has changed nothing."""
        result = result_of_killed(flight.call)
        if result is not None:
            self._write(task, flight, result_text(flight.call, result))
        elif flight.unfinished or flight.call.name in ENDS:
            self._write(task, flight, "?")

    def _overtaken(self, task: Task, flight: Flight) -> None:
        """Others go on before a call returns."""
        self.output.line(task.tid, f"{flight.text} <unfinished ...>", flight.when)

    @property
    def pause(self) -> float | None:
        """Seconds until `look` is to be called again; None: nobody waits."""
        return self._order.pause

    def look(self) -> None:
        """Looks after calls that keep others waiting."""
        self._order.look()

    # The tree of tasks.

    def _forked(self, task: Task, event: int) -> None:
        """A thread has made another task, which has not run yet."""
        child = ptrace.get_message(task.tid)
        alive = child in self._early or self._await_stop(child)
        self._early.discard(child)
        space, flight = task.space, task.flight
        flags = task_flags(flight.call if flight is not None else None, child, event)
        if space is not None:
            if alive:
                self._note_child(task, space, child, flags)
            if flight is not None:
                self._finish(task, space, flight, str(child))
        if child in self.tasks:
            self.go_if_alive(self.tasks[child])
        self._go(task)

    def _note_child(self, task: Task, space: Space, child: int, flags: int) -> None:
        thread = flags & CLONE_THREAD != 0
        made = self.add(child, task.tgid if thread else child)
        if flags & CLONE_VM:
            self.join(made, space)
            if thread:
                self.output.event("thread", space.name, tid=child, tgid=task.tgid)
            else:
                self.output.event("sharemm", space.name, pid=child, ppid=task.tid)
            return
        name = f"{child}.0"
        self._execs[child] = 0
        # What the copy has of its own, the original has too.
        space.written(self.new_space(made, name))
        self.output.event("fork", name, pid=child, ppid=task.tid)

    def go_if_alive(self, task: Task) -> None:
        """Lets a thread run on, unless it was killed."""
        try:
            self._go(task)
        except ProcessLookupError:
            return

    def _await_stop(self, tid: int) -> bool:
        """Waits for a new task's first stop; False when it was killed before."""
        try:
            _, status = os.waitpid(tid, ptrace.WALL)
        except ChildProcessError:
            return False
        return os.WIFSTOPPED(status)

    def _executed(self, task: Task) -> None:
        """A process has become another program, which has not run yet."""
        pid = task.tid
        former = ptrace.get_message(pid)
        if former != pid and former in self.tasks:
            task = self._succeed(pid, former)
        flight, old = task.flight, task.space
        if old is not None:
            self._leave(task, old, task.ending)
        task.flight = task.ending = None
        self._execs[pid] = self._execs.get(pid, 0) + 1
        name = f"{pid}.{self._execs[pid]}"
        self.new_space(task, name, executed=True)
        self.output.event("exec", name, pid=pid)
        if self.output.meta.get("main_image") is None:
            self.output.meta["main_image"] = name
            self.output.meta["line_of_main_exec"] = self.output.lines + 1
        if flight is not None:
            self._write(task, flight, "0")
        self.output.write_meta()
        self._go(task)

    def _succeed(self, pid: int, former: int) -> Task:
        """A thread that is not the first of its process has made an exec: it takes its number."""
        leader = self.tasks.pop(pid)
        if leader.space is not None:
            self._leave(leader, leader.space, None)
        task = self.tasks.pop(former)
        space = task.space
        if space is not None:
            self.output.event("exit", space.name, tid=former, tgid=pid)
            space.tasks.discard(former)
            space.tasks.add(pid)
        self.output.line(pid, f"+++ superseded by execve in pid {former} +++")
        task.tid = pid
        self.tasks[pid] = task
        return task

    def _leave(self, task: Task, space: Space, last: LastMap | None) -> None:
        """A thread leaves a space; the last one ends it, with this last map."""
        self._order.withdraw(space, task)
        self._order.release(space, task)
        task.flight = None
        task.space = None
        space.left_by(task.tid)
        if not space.tasks:
            self._order.forget(space)
            space.end(last)

    def _exiting(self, task: Task) -> None:
        """A thread is about to end, and still has its memory."""
        flight, space = task.flight, task.space
        if space is None:
            task.flight = None
            return
        if self._order.withdraw(space, task):
            # It was never let into its call.
            flight = None
        if flight is not None:
            self._write_killed(task, flight)
        self.output.event("exit", space.name, tid=task.tid, tgid=task.tgid)
        alone = space.tasks == {task.tid}
        self._leave(task, space, space.last(task.tid) if alone else None)

    def _gone(self, tid: int, status: int) -> None:
        """A thread has ended."""
        self._early.discard(tid)
        self.held.discard(tid)
        task = self.tasks.pop(tid, None)
        if task is None:
            return
        if task.space is not None:
            self._exiting(task)
        if os.WIFEXITED(status):
            self.output.line(tid, f"+++ exited with {os.WEXITSTATUS(status)} +++")
        else:
            dumped = " (core dumped)" if os.WCOREDUMP(status) else ""
            name = signal_name(os.WTERMSIG(status))
            self.output.line(tid, f"+++ killed by {name}{dumped} +++")
