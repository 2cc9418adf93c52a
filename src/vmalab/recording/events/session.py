# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording by events, from its start to its end: launches a program, or watches one that runs.

The program is nobody's tracee: what goes wrong here, and however the recorder ends, concerns it
not. While it runs, events go to the disk as they come; they are sorted when all is over.
"""

import os
import select
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, final

from vmalab.calls.errors import ReadError
from vmalab.recording.events.decode import Decoder
from vmalab.recording.events.flight import (
    FlightChoices,
    FlightPlan,
    flight_facts,
    flight_meta,
    folder_of,
)
from vmalab.recording.events.images import Kernel
from vmalab.recording.events.looks import GAP, LAST, LOOK, OVER, ROUND, note_facts
from vmalab.recording.events.pause import Look, look_at, look_at_exec
from vmalab.recording.events.perf_events import assembled, formats_note
from vmalab.recording.events.perf_source import PerfSource
from vmalab.recording.events.signals import SignalDescriptor
from vmalab.recording.events.source import Source
from vmalab.recording.events.started_program import LOOK_EVERY, StartedProgram
from vmalab.recording.events.tape import Tape
from vmalab.recording.format.output_folder import Write
from vmalab.recording.format.release import kernel_version
from vmalab.recording.tracer.launch import start_held, why_no_program
from vmalab.recording.tracer.proc_files import descriptors
from vmalab.recording.tracer.recording_writer import Output, OutputFailed
from vmalab.recording.tracer.session import ENDING, TAKEN, command_of, quiet, reason_of
from vmalab.recording.tracer.summary import Summary

# Bytes of events that are sorted although SIGTERM asked for the end: its sender does not wait long.
MOST_SORTED_AT_ONCE: Final = 4 << 20


@final
class FlightSession:
    """One recording. warn: called with a sentence when it ends before its time. progress: called
    now and then, with the bytes of events so far and how many were lost.
    """

    def __init__(
        self,
        folder: str,
        source: Source | PerfSource,
        choices: FlightChoices,
        warn: Callable[[str], None] | None = None,
        write: Write = os.write,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """source: this object's from now on. Errors: ReadError when the folder cannot be used."""
        self._source = source
        self._tracer = "events" if source.has_maps else "perf"
        self._choices = choices
        self._warn = warn
        self._progress = progress
        self._began = time.monotonic()
        self._cut = ""
        # The program, where it was started here.
        self._child: StartedProgram | None = None
        self._ends = self._hurried = False
        # Events that were lost, as counted and as dealt with; when rings were emptied last.
        self._lost = self._missed = 0
        self._drained = time.monotonic_ns()
        self._turned = time.monotonic()
        meta = flight_meta(self._tracer, stacks=source.has_stacks)
        try:
            self._output = Output(folder, meta, write)
            self._tape = Tape(self._output, write)
            if isinstance(source, PerfSource):
                self._tape.note(formats_note(source.tracepoints))
        except BaseException:
            source.close()
            raise

    # What is recorded.

    def launch(self, command: Sequence[str]) -> Summary:
        """Run a program from its exec to the end of all that it started.

        Errors: ReadError: there is no such program, or it may not be run.
        """
        program = shutil.which(command[0])
        if program is None:
            self._discard()
            raise ReadError(command[0], 0, why_no_program(command[0]))
        self._output.meta["command"] = list(command)
        with quiet() as mask:
            try:
                child, go = start_held(program, command, mask)
            except OSError as error:
                self._discard()
                raise ReadError(program, 0, f"cannot be started: {error.strerror}") from None
            self._child = StartedProgram(child)
            if self._source.has_maps:
                flight = FlightPlan(child, True, _inherited(child), folder=folder_of(child))
                self._begin(flight)
                os.write(go, b"g")
            else:
                flight = FlightPlan(child, launched=False, folder=folder_of(child))
                self._begin_held(flight, lambda: os.write(go, b"g"))
            os.close(go)
            self._follow()
            self._source.stop()
            self._finish(flight)
            self._child.await_end()
        return self._summary()

    def attach(self, pid: int) -> Summary:
        """Record a process that runs already, until it ends or the user interrupts.

        Errors: ReadError: there is no such process, or it may not be held for a moment.
        """
        self._output.meta["command"] = command_of(pid)
        with quiet():
            flight = FlightPlan(pid, launched=False, folder=folder_of(pid))
            try:
                self._source.follow(pid)
                self._tape.note(note_facts(GAP, 0))
                when = self._look(pid, self._settle_and_walk(pid))
                self._tape.note(note_facts(OVER, when))
            except (ReadError, OutputFailed, OSError) as error:
                self._discard()
                if isinstance(error, ReadError):
                    raise
                why = f"{reason_of(error)}; nothing was recorded, the process goes on"
                raise ReadError(self._output.folder, 0, why) from None
            self._begin(flight)
            self._follow()
            if not self._cut:
                self._look_last()
            self._source.stop()
            self._finish(flight)
        return self._summary()

    # Looks at processes.

    def _look(self, pid: int, held: Callable[[], None], *, last: bool = False) -> int:
        """Look at a process. Returns: when. Errors: ReadError, OSError of the file."""
        look = look_at(self._output, pid, held, last=last)
        self._note_look(LAST if last else LOOK, pid, look)
        return look.when

    def _note_look(self, kind: str, pid: int, look: Look) -> None:
        facts = note_facts(kind, look.when, pid=pid, threads=look.threads, facts=look.facts)
        self._tape.note(facts, look.smaps)

    def _look_last(self) -> None:
        """The recording ends while processes live on."""
        for pid in self._source.processes():
            try:
                self._look(pid, self._end_gap, last=True)
            except ReadError:
                # It has ended by now, or nobody may look at it.
                continue
            except OSError as error:
                self._break_off(error)
                return

    def _look_again(self, since: int, lost: int) -> None:
        """Events were lost: look at all processes, also those that are made meanwhile.

        What is lost while others than the first are looked at is the next loss. Errors: OSError of
        the file.
        """
        self._lost += lost
        self._tape.note(note_facts(GAP, since, lost=lost))
        seen: set[int] = set()
        when = since
        while new := [pid for pid in self._source.processes() if pid not in seen]:
            for pid in new:
                seen.add(pid)
                held = self._walk(pid) if len(seen) > 1 else self._settle_and_walk(pid)
                with suppress(ReadError):
                    when = self._look(pid, held)
        self._tape.note(note_facts(OVER, when))

    def _walk(self, pid: int) -> Callable[[], None]:
        """Return what notes the VMAs of a held process."""

        def drain() -> None:
            self._source.drain(self._tape.take)

        return lambda: self._source.look(pid, drain)

    def _settle_and_walk(self, pid: int) -> Callable[[], None]:
        """Return what does both, while a process is held."""

        def both() -> None:
            self._settle()
            self._walk(pid)()

        return both

    def _settle(self) -> None:
        """Take what has come; what was lost by now is made good."""
        self._drained = time.monotonic_ns()
        before = self._tape.size
        self._source.drain(self._tape.take)
        self._missed = self._source.lost()
        if self._tape.size > before:
            self._tape.note(note_facts(ROUND, self._drained))

    def _end_gap(self) -> None:
        """Take what has come at last; if something was lost, what follows does not count."""
        since = self._drained
        missed = self._missed
        self._settle()
        if self._missed > missed:
            self._lost += self._missed - missed
            self._tape.note(note_facts(GAP, since, lost=self._missed - missed))

    def _begin(self, flight: FlightPlan) -> None:
        """Note what the events are of, so that they can be sorted whatever happens."""
        self._output.meta["flight"] = flight_facts(flight)
        try:
            self._output.write_meta()
        except OutputFailed as error:
            self._break_off(error)
        if flight.launched:
            self._source.follow(flight.pid)

    def _begin_held(self, flight: FlightPlan, go: Callable[[], object]) -> None:
        """Begin with the map that a program has at its exec, for no event tells it."""
        self._source.follow(flight.pid)
        try:
            self._tape.note(note_facts(GAP, 0))
            held = self._settle_and_walk(flight.pid)
            look = look_at_exec(flight.pid, go, held)
            if look is not None:
                self._note_look(LOOK, flight.pid, look)
                self._tape.note(note_facts(OVER, look.when))
        except (ReadError, OutputFailed, OSError) as error:
            self._break_off(error)
        self._begin(flight)

    # While it runs.

    def _follow(self) -> None:
        """Take events to the disk until the recording is to end."""
        deadline = time.monotonic() + (self._choices.duration or 1e9)
        with SignalDescriptor(TAKEN) as signals:
            poll = select.poll()
            poll.register(signals.fd, select.POLLIN)
            for ring in self._source.rings:
                poll.register(ring.fd, select.POLLIN)
            while not (self._cut or self._ends):
                poll.poll(1000 * LOOK_EVERY)
                try:
                    self._drain()
                    if self._choices.last:
                        self._turn()
                except (OSError, OutputFailed) as error:
                    self._break_off(error)
                for number, code in signals.take():
                    self._signalled(number, code)
                if self._progress is not None:
                    self._progress(self._tape.size, self._lost)
                if self._is_enough(deadline):
                    break

    def _is_enough(self, deadline: float) -> bool:
        """Return whether all has been recorded that was asked for, or that there is."""
        choices = self._choices
        if self._cut or time.monotonic() > deadline:
            return True
        if 0 < choices.max_size <= self._tape.size:
            return True
        if choices.until_enomem and self._source.failed:
            return True
        return self._source.idle and (self._child is None or self._child.reaped())

    def _drain(self) -> None:
        """Take what has come; see whether something was lost."""
        before, missed = self._drained, self._missed
        self._settle()
        if self._missed > missed:
            self._look_again(before, self._missed - missed)

    def _turn(self) -> None:
        """Drop what is older than asked for, now and then. Errors: OutputFailed, OSError."""
        if time.monotonic() > self._turned + self._choices.last:
            self._turned = time.monotonic()
            self._settle()
            self._tape.turn()
            self._look_again(self._drained, 0)

    def _signalled(self, number: int, code: int) -> None:
        """The recorder has a signal."""
        if number == signal.SIGCHLD:
            return
        if self._child is None:
            self._ends = True
            self._hurried = self._hurried or number == signal.SIGTERM
            return
        self._child.signalled(number, code)
        self._ends = self._child.ends

    # Its end.

    def _break_off(self, error: Exception) -> None:
        """The recording cannot go on; the program does."""
        if self._cut:
            return
        self._cut = reason_of(error)
        self._source.stop()
        if self._warn is not None:
            self._warn(f"{self._output.folder}: {self._cut}; recording ended, the program goes on")

    def _finish(self, flight: FlightPlan) -> None:
        """Sort the events, and write what a replay reads."""
        if not self._cut:
            try:
                self._end_gap()
            except OSError as error:
                self._break_off(error)
        self._source.close()
        self._tape.close()
        if self._cut:
            self._output.cut(self._cut)
            return
        if self._lost:
            self._output.meta["lost_events"] = self._lost
        try:
            if self._hurried and self._tape.size > MOST_SORTED_AT_ONCE:
                self._leave_unsorted()
            else:
                self._decode(flight)
            if self._child is None:
                self._output.close()
            else:
                self._output.end()
        except OutputFailed as error:
            self._break_off(error)
            self._output.cut(self._cut)

    def _leave_unsorted(self) -> None:
        """Leave the events as they came; whoever opens the recording sorts them."""
        if self._warn is not None:
            size = f"{self._tape.size / (1 << 20):.1f} MiB of events"
            folder = self._output.folder
            self._warn(f"{folder}: {size} are left unsorted, as SIGTERM asks for a quick end")

    def _decode(self, flight: FlightPlan) -> None:
        kernel = Kernel(kernel_version(os.uname().release), opens=True)
        Decoder(assembled(self._tape.view()), self._output, flight, kernel).run()
        self._output.flush()
        if self._source.has_stacks:
            self._name_places()
        del self._output.meta["flight"]
        self._tape.remove()

    def _name_places(self) -> None:
        from vmalab.recording.tracer.python_frames import version_of

        files = list(self._output.places.files)
        self._output.name_places(ENDING)
        if self._warn is not None and any(map(version_of, files)):
            self._warn("functions of Python have no names by events: --tracer ptrace reads them")

    def _discard(self) -> None:
        """Nothing could be recorded."""
        self._source.close()
        self._tape.close()
        self._output.discard()

    def _summary(self) -> Summary:
        status = None if self._child is None else self._child.status
        if status is not None and status < 0:
            status = 128 - status
        return Summary(
            self._output.folder,
            self._output.lines,
            self._output.count_images(),
            self._output.size,
            time.monotonic() - self._began,
            status,
            True,
            self._cut,
            self._tracer,
        )


def _inherited(pid: int) -> dict[str, list[str | int]]:
    """Return the descriptors that a child will still have after its exec."""
    found = descriptors(pid)
    return {fd: row for fd, row in found.items() if not int(row[1]) & os.O_CLOEXEC}
