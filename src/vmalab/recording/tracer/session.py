# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording from its start to its end: launches a program, or attaches to one, and waits.

The recorder itself has its signals blocked and takes them one by one, so that none can break it off
in the middle of a line. Those of the terminal reach the program by themselves.
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
from vmalab.recording.tracer import ptrace
from vmalab.recording.tracer.hold import detach, gather, resume
from vmalab.recording.tracer.launch import start_held
from vmalab.recording.tracer.machine import machine_facts
from vmalab.recording.tracer.maps import read_proc, threads_of
from vmalab.recording.tracer.output import Output
from vmalab.recording.tracer.probe import can_probe
from vmalab.recording.tracer.recorder import Recorder
from vmalab.recording.tracer.space import Choices

_FOLLOW: Final = (
    ptrace.PTRACE_O_TRACESYSGOOD
    | ptrace.PTRACE_O_TRACEFORK
    | ptrace.PTRACE_O_TRACEVFORK
    | ptrace.PTRACE_O_TRACECLONE
    | ptrace.PTRACE_O_TRACEEXEC
    | ptrace.PTRACE_O_TRACEEXIT
)
_TAKEN: Final = (
    signal.SIGCHLD,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGHUP,
)
# si_code of a signal that the kernel sent: from a terminal, to all that is in its foreground.
_SI_KERNEL: Final = 0x80
# Seconds between two reports of progress.
_PROGRESS_EVERY: Final = 0.2


@dataclass(frozen=True, slots=True)
class Summary:
    """What was recorded. size: bytes. status: as of the program's own exit, 128 + N for signal N;
    None when it was not launched.
    """

    folder: str
    lines: int
    images: int
    size: int
    seconds: float
    status: int | None
    probed: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """A snapshot of one process. vmas: without the vsyscall page."""

    folder: str
    image: str
    vmas: int


@final
class Session:
    """One recording. progress: called with lines and images now and then."""

    def __init__(
        self, folder: str, choices: Choices, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Errors: ReadError when the folder cannot be used."""
        self._choices = choices
        self._progress = progress
        self._began = time.monotonic()
        self._shown = self._began
        self._main = 0
        self._status: int | None = None
        meta = machine_facts() | {
            "recorder": "vmalab",
            "steps": "smaps",
            "user": str(os.getuid()),
            "faults": "probed" if choices.probed else "unknown",
        }
        self._output = Output(folder, meta)
        self._images = 0
        # Whether a signal has been passed on already.
        self._asked = False

    # Launching.

    def launch(self, command: Sequence[str]) -> Summary:
        """Runs a program from its exec to the end of all that it started.

        Errors: ReadError: there is no such program, or it cannot be traced.
        """
        program = shutil.which(command[0])
        if program is None:
            self._output.discard()
            raise ReadError(command[0], 0, "no such program")
        self._output.meta["command"] = list(command)
        recorder = Recorder(self._output, self._choices)
        with _quiet() as mask:
            child, go = start_held(program, command, mask)
            try:
                _seize(child, _FOLLOW)
            except ReadError:
                os.close(go)
                os.waitpid(child, 0)
                self._output.discard()
                raise
            recorder.add(child, child)
            self._main = child
            os.write(go, b"g")
            os.close(go)
            self._run(recorder, launched=True)
        return self._summary()

    # Attaching.

    def attach(self, pid: int) -> Summary:
        """Records a process that runs already, until it ends or the user interrupts.

        Errors: ReadError: there is no such process, or it may not be traced.
        """
        recorder = Recorder(self._output, self._choices)
        with _quiet():
            self._take(recorder, pid)
            resume(recorder)
            self._main = pid
            self._run(recorder, launched=False)
        return self._summary()

    def snapshot(self, pid: int) -> Taken:
        """Records how a process is at this moment. Errors: ReadError, as for `attach`."""
        recorder = Recorder(self._output, self._choices)
        with _quiet():
            self._take(recorder, pid)
            lines = read_proc(pid, "maps").splitlines()
            detach(recorder)
            self._output.close()
        vmas = sum(not line.endswith(b"[vsyscall]") for line in lines)
        return Taken(self._output.folder, f"{pid}.0", vmas)

    def _take(self, recorder: Recorder, pid: int) -> None:
        """Stops all threads of a process, and looks at it. Errors: ReadError."""
        self._output.meta["command"] = _command_of(pid)
        try:
            self._seize_all(recorder, pid)
        except ReadError:
            gather(recorder)
            detach(recorder)
            self._output.discard()
            raise
        first = recorder.tasks.get(pid) or next(iter(recorder.tasks.values()))
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

    def _seize_all(self, recorder: Recorder, pid: int) -> None:
        """Traces and stops every thread of a process. Errors: ReadError."""
        if not threads_of(pid):
            raise ReadError(str(pid), 0, "no such process")
        while True:
            new = [tid for tid in threads_of(pid) if tid not in recorder.tasks]
            for tid in new:
                try:
                    _seize(tid, _FOLLOW)
                except ReadError:
                    if tid == pid or threads_of(tid):
                        raise
                    continue
                recorder.add(tid, pid)
            if not new:
                break
            gather(recorder)
        if not recorder.tasks:
            raise ReadError(str(pid), 0, "it ended before it could be recorded")

    # The loop.

    def _run(self, recorder: Recorder, *, launched: bool) -> None:
        try:
            # A program that was let go is its parent's to wait for, as any child.
            while recorder.tasks or (launched and self._status is None):
                try:
                    tid, status = os.waitpid(-1, ptrace.WALL | os.WNOHANG)
                except ChildProcessError:
                    break
                if tid == 0:
                    if not self._idle(recorder, launched=launched):
                        break
                    continue
                if tid == self._main and launched and not os.WIFSTOPPED(status):
                    self._status = os.waitstatus_to_exitcode(status)
                recorder.handle(tid, status)
        finally:
            self._images = len(self._output.meta.get("images") or ())  # type: ignore[arg-type]
            if self._status is not None:
                self._output.meta["exit_status"] = self._status
            self._output.close()

    def _idle(self, recorder: Recorder, *, launched: bool) -> bool:
        """Nothing to do: waits for a signal. False: the recording is to end."""
        self._output.flush()
        now = time.monotonic()
        if self._progress is not None and now - self._shown > _PROGRESS_EVERY:
            self._shown = now
            images = self._output.meta.get("images")
            self._progress(self._output.lines, len(images) if isinstance(images, dict) else 0)
        pause = recorder.pause
        if pause is None:
            info = signal.sigwaitinfo(_TAKEN)
        else:
            found = signal.sigtimedwait(_TAKEN, pause)
            recorder.look()
            if found is None:
                return True
            info = found
        if info.si_signo == signal.SIGCHLD:
            return True
        if not launched:
            gather(recorder)
            detach(recorder)
            return False
        if info.si_code != _SI_KERNEL:
            self._pass_on(recorder, info.si_signo)
        return True

    def _pass_on(self, recorder: Recorder, number: int) -> None:
        """A signal was meant for the recorder alone: the program is to end as if it were its own.

        When it comes again, everything is killed.
        """
        every = [self._main, *recorder.tasks] if self._status is None else list(recorder.tasks)
        for tid in [self._main] if not self._asked else every:
            with suppress(ProcessLookupError):
                os.kill(tid, signal.SIGKILL if self._asked else number)
        self._asked = True

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
        )


@contextmanager
def _quiet() -> Iterator[Iterable[int]]:
    """Signals are taken by the loop alone; gives those that were blocked before."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _TAKEN)
    former = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield mask
    finally:
        signal.signal(signal.SIGCHLD, former)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _command_of(pid: int) -> list[str]:
    """The command line of a process; empty for one of the kernel's own."""
    parts = read_proc(pid, "cmdline").split(b"\0")[:-1]
    return [part.decode("utf-8", "surrogateescape") for part in parts]


def _seize(tid: int, options: int) -> None:
    """Errors: ReadError, which says how to be allowed to."""
    try:
        ptrace.ptrace(ptrace.PTRACE_SEIZE, tid, 0, options)
    except ProcessLookupError:
        raise ReadError(str(tid), 0, "no such process") from None
    except PermissionError:
        raise ReadError(str(tid), 0, _why_not(tid)) from None


def _why_not(tid: int) -> str:
    tracer = ""
    for line in read_proc(tid, "status").decode("utf-8", "replace").splitlines():
        if line.startswith("TracerPid:"):
            tracer = line.split()[1]
    if tracer not in ("", "0"):
        return f"it is traced already, by process {tracer}"
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", encoding="ascii") as file:
            scope = file.read().strip()
    except OSError:
        scope = "0"
    if scope != "0":
        return (
            f"tracing it is not permitted: /proc/sys/kernel/yama/ptrace_scope is {scope}; run as "
            "root (CAP_SYS_PTRACE), or set it to 0, or let vmalab start the program itself"
        )
    return (
        "tracing it is not permitted: it belongs to somebody else, or has privileges of its own; "
        "run as root (CAP_SYS_PTRACE)"
    )


def choices_for(*, steps: bool, checkpoint: int, stacks: bool) -> Choices:
    """What the user asked for, and what this kernel can tell."""
    return Choices(steps, checkpoint, stacks, can_probe())
