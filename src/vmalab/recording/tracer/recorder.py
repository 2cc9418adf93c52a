# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorder: follows threads, children and execs of a program, and writes what they do."""

import os
import signal
from typing import Final, final

from vmalab.linux.include.uapi.sched import CLONE_THREAD, CLONE_VM
from vmalab.recording.tracer import ptrace
from vmalab.recording.tracer.call_lines import Calls
from vmalab.recording.tracer.decode import entry_text
from vmalab.recording.tracer.flags import task_flags
from vmalab.recording.tracer.lines import write_call, write_end, write_killed
from vmalab.recording.tracer.order import LOOK_EVERY
from vmalab.recording.tracer.partings import Partings, is_ptrace, process_of, wanted
from vmalab.recording.tracer.proc_files import GONE
from vmalab.recording.tracer.recording_writer import Output
from vmalab.recording.tracer.registers import call_once
from vmalab.recording.tracer.signals import signal_line, signal_name
from vmalab.recording.tracer.sleeps import may_sleep, note_sleep, woken, woken_outside
from vmalab.recording.tracer.space import Choices, Flight, LastMap, Space, Tracee
from vmalab.recording.tracer.stops import EXECS, FORKS
from vmalab.recording.tracer.waits import ended, is_wait

# A stop at a call, by PTRACE_O_TRACESYSGOOD.
_CALL: Final = int(signal.SIGTRAP) | 0x80


@final
class Recorder:
    """Writes one recording."""

    def __init__(self, output: Output, choices: Choices) -> None:
        self.output = output
        self.tasks: dict[int, Tracee] = {}
        # Children that stopped before their parent's event told of them: tid -> wait status.
        self.early: dict[int, int] = {}
        self._choices = choices
        self._execs: dict[int, int] = {}
        self._calls = Calls(output, self.tasks, self._go, self.handle, self._part)
        self._partings = Partings(self._let_go, self.go_if_alive)
        # The program that the recorder has launched, its own child; 0: none.
        self.launched = 0
        # Whether threads are kept where they stop, see `hold`.
        self.gathering = False

    # Tasks.

    def add(self, tid: int, tgid: int) -> Tracee:
        """Return a thread that is traced from now on."""
        task = self.tasks[tid] = Tracee(tid, tgid)
        return task

    def join(self, task: Tracee, space: Space) -> None:
        """A thread uses a space."""
        task.space = space
        space.tasks.add(task.tid)

    def new_space(self, task: Tracee, name: str, *, executed: bool = False) -> list[str]:
        """Note that a thread has a new space: the ranges of it that had been written to.

        executed: by an exec.
        """
        space = Space(self.output, name, self._choices)
        self.join(task, space)
        try:
            first = "main_image" not in self.output.meta
            return space.begin(task.tid, executed=executed, first=first)
        except GONE:
            # It was killed this very moment.
            return []

    # Stops.

    def handle(self, tid: int, status: int) -> None:
        """A thread has stopped or ended, as waitpid() says."""
        if not os.WIFSTOPPED(status):
            self._gone(tid, status)
            return
        task = self.tasks.get(tid)
        # Noted before anything can go wrong: who is stopped must be let go.
        if task is None:
            self.early[tid] = status
        else:
            task.stop = status
            task.asked = False
        try:
            if status >> 16 == ptrace.PTRACE_EVENT_EXEC:
                task = self._succeed(tid, task, status)
            if task is None:
                # A child whose parent's event is still to come: it stays stopped until then.
                self._release_orphans()
            else:
                self._stopped(task, os.WSTOPSIG(status), status >> 16)
        except ProcessLookupError:
            # Killed while it was held: its end will be told.
            return

    def _stopped(self, task: Tracee, number: int, event: int) -> None:
        if number == _CALL:
            self._at_call(task)
        elif event in ptrace.FORK_EVENTS:
            self._forked(task, event)
        elif event == ptrace.PTRACE_EVENT_EXEC:
            self._executed(task)
        elif event == ptrace.PTRACE_EVENT_EXIT:
            self._exiting(task)
        elif event == ptrace.PTRACE_EVENT_STOP:
            self._event_stop(task, number)
        elif event:
            self._go(task)
        else:
            self._signalled(task)

    def _go(self, task: Tracee) -> None:
        """Let a thread run until its next stop. Errors: ProcessLookupError."""
        if self.gathering:
            return
        if task.parting is not None:
            self._partings.stopped(task.parting, task)
            return
        self._run(task)

    def _run(self, task: Tracee) -> None:
        stop, task.stop = task.stop, 0
        task.listens = ptrace.is_job_stop(stop)
        if task.listens:
            ptrace.ptrace(ptrace.PTRACE_LISTEN, task.tid)
        else:
            ptrace.ptrace(ptrace.PTRACE_SYSCALL, task.tid, 0, ptrace.signal_at(stop))

    def _event_stop(self, task: Tracee, number: int) -> None:
        if number not in ptrace.STOPPING:
            if self._asked(task):
                woken_outside(task)
        elif not task.listens:
            self.output.line(task.tid, f"--- stopped by {signal_name(number)} ---")
        self._go(task)

    def _asked(self, task: Tracee) -> bool:
        """Return whether the recorder itself has asked a thread to stop."""
        return self.gathering or task.parting is not None

    def _signalled(self, task: Tracee) -> None:
        info = ptrace.get_signal(task.tid)
        if info is not None:
            self.output.line(task.tid, signal_line(*info))
        self._go(task)

    # Calls.

    def _at_call(self, task: Tracee) -> None:
        stop = ptrace.get_syscall(task.tid)
        space = task.space
        if is_wait(stop):
            for tid, status in ended(self.tasks, self.launched):
                self.handle(tid, status)
        if stop.op == ptrace.AT_EXIT:
            result = woken(task, stop.words[0], asked=self._asked(task))
            self._calls.left(task, result)
        elif space is None or space.memory is None:
            self._first_call(task, stop)
        elif self._asked(task) and may_sleep(stop):
            note_sleep(task, stop)
            self._run(task)
        elif task.parting is not None:
            # Its recording ends before this call.
            self._go(task)
        elif is_ptrace(stop) and not self.gathering:
            self._partings.begin(task, wanted(task, stop, self.tasks))
        else:
            self._calls.entered(task, space, space.memory, stop)

    def _first_call(self, task: Tracee, stop: ptrace.Stop) -> None:
        """A call of the child that is to become the program: only its exec is of interest."""
        call = call_once(task.tid, stop)
        if call is not None and call.name in EXECS:
            task.flight = Flight(call, entry_text(call))
        self._go(task)

    def _part(self, task: Tracee) -> None:
        """Let a process go before the call that its thread is about to make."""
        if self.gathering:
            self._go(task)
        else:
            self._partings.begin(task, process_of(task, self.tasks))

    @property
    def pause(self) -> float | None:
        """Seconds until `look` is to be called again; None: nobody waits."""
        return LOOK_EVERY if self._partings.under_way else self._calls.order.pause

    def look(self) -> None:
        """Look after calls that keep others waiting."""
        self._calls.order.look()
        self._partings.look()

    # The tree of tasks.

    def _forked(self, task: Tracee, event: int) -> None:
        """A thread has made another task, which has not run yet."""
        child = ptrace.get_message(task.tid)
        status = self.early.get(child, 0) or self._await_stop(child)
        if status:
            self.early[child] = status
        space, flight = task.space, task.flight
        flags = task_flags(flight.call if flight is not None else None, child, event)
        if flight is not None and flight.untraced is not None:
            flight.untraced.restore(task.tid)
            if status:
                flight.untraced.restore_child(child)
        if status and space is not None:
            self._note_child(task, space, child, flags)
        elif status and flags & CLONE_THREAD:
            # The program is about to be looked at, all its threads together.
            self.add(child, task.tgid)
        if flight is not None and space is not None:
            self._calls.finish(task, space, flight, str(child))
        if status:
            del self.early[child]
            if child in self.tasks:
                self.handle(child, status)
            else:
                self._detach(child, 0)
        self._go(task)

    def _note_child(self, task: Tracee, space: Space, child: int, flags: int) -> None:
        thread = flags & CLONE_THREAD != 0
        made = self.add(child, task.tgid if thread else child)
        made.parting = task.parting if thread else None
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

    def go_if_alive(self, task: Tracee) -> None:
        """Let a thread run on, unless it was killed."""
        try:
            self._go(task)
        except ProcessLookupError:
            return

    def _await_stop(self, tid: int) -> int:
        """Wait for a new task's first stop. Returns: its wait status, 0 when it is gone."""
        try:
            _, status = os.waitpid(tid, ptrace.WALL)
        except ChildProcessError:
            return 0
        return status if os.WIFSTOPPED(status) else 0

    def _release_orphans(self) -> None:
        """Let go of new tasks whose makers were killed before they could tell of them."""
        flights = [task.flight for task in self.tasks.values()]
        if any(flight is not None and flight.call.name in FORKS for flight in flights):
            return
        for tid in list(self.early):
            del self.early[tid]
            self._detach(tid, 0)

    def lost(self, tid: int) -> None:
        """A thread is gone, or is traced no more, and nothing tells how it ended."""
        task = self.tasks[tid]
        if task.space is not None:
            self._leave(task, task.space, None)
        self._forget(task)

    def leave_unfinished(self, task: Tracee) -> None:
        """The recording ends while a thread is in a call: the call's line has no result."""
        if task.flight is not None:
            self._calls.leave_unfinished(task, task.flight)

    def _executed(self, task: Tracee) -> None:
        """A process has become another program, which has not run yet."""
        pid = task.tid
        flight, old = task.flight, task.space
        if old is None and self.gathering:
            # It is about to be looked at, as the program that it is now.
            self._go(task)
            return
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
            write_call(self.output, task, flight, "0")
        self.output.write_meta()
        self._go(task)

    def _succeed(self, pid: int, leader: Tracee | None, status: int) -> Tracee | None:
        """Return the thread that made a process's exec; it has the process's number now.

        leader: the thread that had it before. Errors: ProcessLookupError.
        """
        former = ptrace.get_message(pid)
        if former == pid or former not in self.tasks:
            return leader
        task = self.tasks.pop(former)
        task.tid, task.stop = pid, status
        self.tasks[pid] = task
        self.early.pop(pid, None)
        if leader is not None and leader.space is not None:
            self._leave(leader, leader.space, None)
        space = task.space
        if space is not None:
            self.output.event("exit", space.name, tid=former, tgid=pid)
            space.tasks.discard(former)
            space.tasks.add(pid)
            self.output.line(pid, f"+++ superseded by execve in pid {former} +++")
        return task

    def _leave(self, task: Tracee, space: Space, last: LastMap | None) -> None:
        """A thread leaves a space; the last one ends it, with this last map."""
        self._calls.order.withdraw(space, task)
        self._calls.order.release(space, task)
        task.flight = None
        task.space = None
        space.left_by(task.tid)
        if not space.tasks:
            self._calls.order.forget(space)
            space.end(last)

    def _exiting(self, task: Tracee) -> None:
        """A thread is about to end, and still has its memory: look at it, and let it go.

        What is left of it is its parent's at once then, as it would be without a tracer.
        """
        status = ptrace.get_message(task.tid)
        self._depart(task, status)
        if self._detach(task.tid, 0):
            self._forget(task, status)

    def _depart(self, task: Tracee, status: int) -> None:
        """A thread that is about to end, or has ended, leaves its space."""
        flight, space = task.flight, task.space
        task.flight = None
        if space is None:
            return
        if self._calls.order.withdraw(space, task):
            # It was never let into its call.
            flight = None
        if flight is not None:
            write_killed(self.output, task, flight, status)
        self.output.event("exit", space.name, tid=task.tid, tgid=task.tgid)
        alone = space.tasks == {task.tid}
        self._leave(task, space, space.last(task.tid) if alone else None)

    def _gone(self, tid: int, status: int) -> None:
        """A thread has ended before it could be let go."""
        self.early.pop(tid, None)
        task = self.tasks.get(tid)
        if task is not None:
            self._depart(task, status)
            self._forget(task, status)

    def _forget(self, task: Tracee, status: int | None = None) -> None:
        """A thread is traced no more. status: how it has ended, None when it goes on."""
        del self.tasks[task.tid]
        self._partings.ended(task)
        self._release_orphans()
        if status is not None and self._choices.logged:
            write_end(self.output, task.tid, status)

    def _let_go(self, tasks: list[Tracee]) -> None:
        """End the recording of threads that live on. Preconditions: all are held."""
        tids = {task.tid for task in tasks}
        spaces = {task.space for task in tasks if task.space is not None}
        last = {space: space.last(min(space.tasks)) for space in spaces if space.tasks <= tids}
        for task in tasks:
            space = task.space
            self.output.line(task.tid, f"strace: Process {task.tid} detached")
            if space is not None:
                self.output.event("exit", space.name, tid=task.tid, tgid=task.tgid)
                self._leave(task, space, last.get(space))
        for task in tasks:
            self._detach(task.tid, ptrace.signal_at(task.stop))
            self._forget(task)

    def _detach(self, tid: int, number: int) -> bool:
        """Trace a held thread no more; it goes on with a signal. Returns: False if killed."""
        try:
            ptrace.ptrace(ptrace.PTRACE_DETACH, tid, 0, number)
        except ProcessLookupError:
            return False
        return True
