# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording from its start to its end: launches a program, or attaches to one, and waits.

The recorder itself has its signals blocked and takes them one by one, so that none can break it off
in the middle of a line. Those of the terminal reach the program by themselves.

Whatever goes wrong in the recorder ends the recording, not the program: that is let go first, and
then told of.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, final

from vmalab.calls.errors import ReadError
from vmalab.recording.format.output_folder import Write
from vmalab.recording.tracer import ptrace
from vmalab.recording.tracer.hold import detach, gather, let_go, resume
from vmalab.recording.tracer.launch import start_held, why_no_program
from vmalab.recording.tracer.machine_facts import machine_facts
from vmalab.recording.tracer.probe import can_probe
from vmalab.recording.tracer.proc_files import lines_of, read_proc
from vmalab.recording.tracer.recorder import Recorder
from vmalab.recording.tracer.recording_writer import Output, OutputFailed
from vmalab.recording.tracer.seize import FOLLOW, seize, seize_all
from vmalab.recording.tracer.space import Choices
from vmalab.recording.tracer.summary import Summary

TAKEN: Final = (
    signal.SIGCHLD,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGHUP,
)
# Those that ask for an end.
ENDING: Final = frozenset(TAKEN) - {signal.SIGCHLD}
# si_code of a signal that the kernel sent: from a terminal, to all that is in its foreground.
_SI_KERNEL: Final = 0x80
# Seconds between two reports of progress.
_PROGRESS_EVERY: Final = 0.2
# Seconds that threads which never pause may keep the recorder from looking for signals.
_LOOK_EVERY: Final = 0.05
# Bytes that are freed when memory has run out, for what must be done then.
_RESERVE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot of one process. vmas: without the vsyscall page."""

    folder: str
    image: str
    vmas: int


@dataclass(frozen=True, slots=True)
class Parts:
    """What a session is made of, for tests to put something else in its place.

    write: of all files of the recording. recorder: follows the threads.
    """

    write: Write = os.write
    recorder: type[Recorder] = Recorder


@final
class Session:
    """One recording. progress: called with lines and images now and then. warn: called with a
    sentence when the recording ends before its time, while the program goes on.
    """

    def __init__(
        self,
        folder: str,
        choices: Choices,
        progress: Callable[[int, int], None] | None = None,
        warn: Callable[[str], None] | None = None,
        parts: Parts = Parts(),
    ) -> None:
        """Errors: ReadError when the folder cannot be used."""
        self._choices = choices
        self._progress = progress
        self._warn = warn
        self._recorder = parts.recorder
        self._began = time.monotonic()
        self._shown = self._looked = self._began
        self._main = 0
        self._status: int | None = None
        self._cut = ""
        self._reserve: bytearray | None = bytearray(_RESERVE)
        meta = machine_facts() | {
            "recorder": "vmalab",
            "steps": "smaps",
            "user": str(os.getuid()),
            "faults": "probed" if choices.probed else "unknown",
            "credentials": "traced",
        }
        self._output = Output(folder, meta, parts.write)
        self._images = 0
        # Whether a signal has been passed on already.
        self._asked = False

    # Launching.

    def launch(self, command: Sequence[str]) -> Summary:
        """Run a program from its exec to the end of all that it started.

        Errors: ReadError: there is no such program, or it cannot be traced.
        """
        program = shutil.which(command[0])
        if program is None:
            self._output.discard()
            raise ReadError(command[0], 0, why_no_program(command[0]))
        self._output.meta["command"] = list(command)
        recorder = self._recorder(self._output, self._choices)
        with quiet() as mask:
            try:
                child, go = start_held(program, command, mask)
            except OSError as error:
                self._output.discard()
                raise ReadError(program, 0, f"cannot be started: {error.strerror}") from None
            try:
                seize(child, FOLLOW)
            except ReadError:
                os.close(go)
                os.waitpid(child, 0)
                self._output.discard()
                raise
            recorder.add(child, child)
            self._main = recorder.launched = child
            os.write(go, b"g")
            os.close(go)
            self._run(recorder, launched=True)
        return self._summary()

    # Attaching.

    def attach(self, pid: int) -> Summary:
        """Record a process that runs already, until it ends or the user interrupts.

        Errors: ReadError: there is no such process, or it may not be traced.
        """
        recorder = self._recorder(self._output, self._choices)
        with quiet():
            self._take(recorder, pid)
            resume(recorder)
            self._main = pid
            self._run(recorder, launched=False)
        return self._summary()

    def snapshot(self, pid: int) -> Taken:
        """Record how a process is at this moment. Errors: ReadError, as for `attach`."""
        recorder = self._recorder(self._output, self._choices)
        with quiet():
            self._take(recorder, pid)
            lines = lines_of(read_proc(pid, "maps"))
            try:
                detach(recorder)
                self._output.close()
            except OutputFailed as error:
                raise self._nothing(error) from None
        vmas = sum(not line.endswith(b"[vsyscall]") for line in lines)
        return Taken(self._output.folder, f"{pid}.0", vmas)

    def _take(self, recorder: Recorder, pid: int) -> None:
        """Stop all threads of a process, and look at it. Errors: ReadError."""
        self._output.meta["command"] = command_of(pid)
        try:
            seize_all(recorder, pid)
            self._look_at(recorder, pid)
        except Exception as error:
            self._reserve = None
            let_go(recorder)
            raise self._nothing(error) from None

    def _nothing(self, error: Exception) -> Exception:
        """Return what to raise when nothing was recorded, and remove the folder."""
        self._output.discard()
        if not isinstance(error, OutputFailed | OSError | MemoryError):
            return error
        why = f"{reason_of(error)}; nothing was recorded, the process goes on"
        return ReadError(self._output.folder, 0, why)

    def _look_at(self, recorder: Recorder, pid: int) -> None:
        """The first look at a process whose threads are held."""
        first = next((task for task in recorder.tasks.values() if task.stop), None)
        first = first or next(iter(recorder.tasks.values()))
        name = f"{pid}.0"
        recorder.new_space(first, name)
        self._output.meta["main_image"] = name
        self._output.event("attach", name, pid=pid)
        space = first.space
        for task in recorder.tasks.values():
            if task is not first and space is not None:
                recorder.join(task, space)
                self._output.event("thread", name, tid=task.tid, tgid=pid)
        self._output.write_meta()

    # The loop.

    def _run(self, recorder: Recorder, *, launched: bool) -> None:
        """Follow all threads to the end of the recording."""
        try:
            self._follow(recorder, launched=launched)
            self._finish()
        except Exception as error:
            self._reserve = None
            self._break_off(recorder, error, launched=launched)

    def _follow(self, recorder: Recorder, *, launched: bool) -> None:
        # A program that was let go is its parent's to wait for, as any child.
        while recorder.tasks or (launched and self._status is None):
            try:
                tid, status = os.waitpid(-1, ptrace.WALL | os.WNOHANG)
            except ChildProcessError:
                break
            if tid:
                self._note_end(tid, status, launched=launched)
                recorder.handle(tid, status)
            if tid == 0 or time.monotonic() - self._looked > _LOOK_EVERY:
                if not self._look_around(recorder, launched=launched, idle=tid == 0):
                    break

    def _note_end(self, tid: int, status: int, *, launched: bool) -> None:
        if tid == self._main and launched and not os.WIFSTOPPED(status):
            self._status = os.waitstatus_to_exitcode(status)
            self._output.meta["exit_status"] = self._status

    def _finish(self) -> None:
        self._count_images()
        self._output.flush()
        self._output.name_places(ENDING)
        self._output.end()

    def _count_images(self) -> None:
        images = self._output.meta.get("images")
        self._images = len(images) if isinstance(images, dict) else 0

    def _look_around(self, recorder: Recorder, *, launched: bool, idle: bool) -> bool:
        """Do what is due between two stops. False: the recording is to end.

        idle: nothing has stopped; wait for a signal.
        """
        self._looked = time.monotonic()
        self._output.flush()
        if self._progress is not None and self._looked - self._shown > _PROGRESS_EVERY:
            self._shown = self._looked
            self._count_images()
            self._progress(self._output.lines, self._images)
        pause = recorder.pause
        if idle and pause is None:
            info = signal.sigwaitinfo(TAKEN)
        else:
            found = signal.sigtimedwait(TAKEN if idle else ENDING, (pause or 0.0) if idle else 0)
            recorder.look()
            if found is None:
                return True
            info = found
        return self._signalled(recorder, info, launched=launched)

    def _signalled(
        self, recorder: Recorder, info: signal.struct_siginfo, *, launched: bool
    ) -> bool:
        """Handle a signal of the recorder. False: the recording is to end."""
        if info.si_signo == signal.SIGCHLD:
            return True
        if not launched:
            gather(recorder)
            detach(recorder)
            return False
        if info.si_code != _SI_KERNEL:
            self._pass_on(recorder, info.si_signo)
        elif info.si_signo == signal.SIGHUP and os.getsid(0) == os.getpid():
            self._hang_up(recorder)
        return True

    def _break_off(self, recorder: Recorder, error: Exception, *, launched: bool) -> None:
        """The recorder cannot go on: the program does, and what there is can be read."""
        alive = bool(recorder.tasks)
        for tid, status in let_go(recorder).items():
            self._note_end(tid, status, launched=launched)
        self._cut = reason_of(error)
        self._count_images()
        self._output.cut(self._cut)
        if self._warn is not None:
            what = "program" if launched else "process"
            goes_on = f", the {what} goes on untraced" if alive else ""
            after = f"recording ended after {self._output.lines} lines"
            self._warn(f"{self._output.folder}: {self._cut}; {after}{goes_on}")
        while launched and self._status is None:
            try:
                tid, status = os.waitpid(self._main, os.WNOHANG)
            except ChildProcessError:
                break
            if tid:
                self._note_end(tid, status, launched=launched)
            else:
                self._signalled(recorder, signal.sigwaitinfo(TAKEN), launched=launched)

    def _pass_on(self, recorder: Recorder, number: int) -> None:
        """A signal was meant for the recorder alone: the program is to end as if it were its own.

        When it comes again, everything is killed.
        """
        every = {self._main} if self._status is None else set()
        for tid in every | set(recorder.tasks) if self._asked else {self._main}:
            with suppress(ProcessLookupError):
                os.kill(tid, signal.SIGKILL if self._asked else number)
        self._asked = True

    def _hang_up(self, recorder: Recorder) -> None:
        """The terminal is gone, and the recorder leads its session: only the leader is told so.

        The program would have been the leader; its group is told by the kernel when that ends.
        """
        group = os.getpgrp()
        main = {self._main} if self._status is None else set()
        for pid in main | {task.tgid for task in recorder.tasks.values()}:
            with suppress(ProcessLookupError):
                if os.getpgid(pid) == group:
                    os.kill(pid, signal.SIGHUP)
                    os.kill(pid, signal.SIGCONT)

    def _summary(self) -> Summary:
        status = self._status
        if status is not None and status < 0:
            status = 128 - status
        return Summary(
            self._output.folder,
            self._output.lines,
            self._images,
            self._output.size,
            time.monotonic() - self._began,
            status,
            self._choices.probed,
            self._cut,
            "ptrace",
        )


@contextmanager
def quiet() -> Iterator[Iterable[int]]:
    """Signals are taken by the loop alone; gives those that were blocked before."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)
    former = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield mask
    finally:
        # What came while the recording was ending asked for just that.
        while signal.sigtimedwait(TAKEN, 0) is not None:
            continue
        signal.signal(signal.SIGCHLD, former)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def command_of(pid: int) -> list[str]:
    """Return the command line of a process; empty for one of the kernel's own."""
    parts = read_proc(pid, "cmdline").split(b"\0")[:-1]
    return [part.decode("utf-8", "surrogateescape") for part in parts]


def reason_of(error: Exception) -> str:
    """Return why the recorder cannot go on, as one phrase."""
    if isinstance(error, OutputFailed):
        return error.why
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"a defect of vmalab: {type(error).__name__}: {error}"


def choices_for(*, steps: bool, checkpoint: int, stacks: bool) -> Choices:
    """Return what the user asked for, and what this kernel can tell."""
    return Choices(steps, checkpoint, stacks, can_probe())
