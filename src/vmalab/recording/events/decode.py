# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns recorded events into a recording that can be replayed: its log, its images, its faults.

Events are taken in the order in which they took effect, so that every call is one whole line.
"""

import mmap
from collections import deque
from typing import TYPE_CHECKING, Final, final

from vmalab.calls.symbols import NUMBER_OF_SYSCALL, SYSCALL_OF_NUMBER
from vmalab.calls.table import OPENS
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS
from vmalab.linux.include.uapi.sched import CLONE_THREAD, CLONE_VM
from vmalab.recording.events import layout
from vmalab.recording.events.flight import FlightPlan
from vmalab.recording.events.images import FlightImage, Kernel, Loaded
from vmalab.recording.events.looks import GAP, LAST, LOOK, OVER, ROUND, Note, read_notes
from vmalab.recording.events.maplines import KernelVma, vma_at
from vmalab.recording.events.ordering import Ordering
from vmalab.recording.events.pieces import PieceFinder, Pieces
from vmalab.recording.events.walk import MapWalk
from vmalab.recording.events.wanted import COMPAT_BASE
from vmalab.recording.tracer.abi32 import call_of, result_of
from vmalab.recording.tracer.decode import (
    PAIRS,
    answers,
    call_text,
    decode_call,
    noted,
    result_text,
    whole_call,
)
from vmalab.recording.tracer.lines import write_end
from vmalab.recording.tracer.recording_writer import Output
from vmalab.recording.tracer.stops import ENDS, EXECS

if TYPE_CHECKING:
    from vmalab.recording.events.stacks import FlightStacks

_BRK: Final = NUMBER_OF_SYSCALL["brk"]
FOREVER: Final = 1 << 64


@final
class FlightTask:
    """A recorded thread. image: None before its first exec."""

    __slots__ = ("execs", "image", "last", "listed", "loaded", "tgid", "tid")

    def __init__(self, tid: int, tgid: int, image: FlightImage | None) -> None:
        self.tid = tid
        self.tgid = tgid
        self.image = image
        # VMAs of a list that is not whole yet; a whole last one, with its counters.
        self.listed: list[KernelVma] = []
        self.last: tuple[list[KernelVma], tuple[int, ...]] | None = None
        # An exec whose first map is not whole yet.
        self.loaded: Loaded | None = None


@final
class Decoder:
    """Decodes one flight into the folder of a recording."""

    def __init__(
        self,
        view: "mmap.mmap | bytes",
        output: Output,
        flight: FlightPlan,
        kernel: Kernel,
        order: Ordering | None = None,
    ) -> None:
        """order: of the view, where it is known."""
        self._view = memoryview(view)
        self._output = output
        self._flight = flight
        self._order = Ordering(view) if order is None else order
        self._kernel = kernel
        self._tasks: dict[int, FlightTask] = {}
        self._execs: dict[int, int] = {}
        self._pieces = PieceFinder(self._order, kernel)
        self._stacks: FlightStacks | None = None
        if "stacks" in output.meta:
            from vmalab.recording.events import stacks

            self._stacks = stacks.FlightStacks(output.places, opens=kernel.opens)
        self._notes = read_notes(view)
        # Processes that have been looked at since events were lost; None: all is known.
        self._seen: set[int] | None = None
        # Processes whose recording has ended.
        self._left: set[int] = set()
        # Of processes that are being looked at: what the kernel says of their VMAs.
        self._walks: dict[int, MapWalk] = {}
        # Calls whose thread nobody knew, and records that found no room.
        self.strangers = 0
        self.lost = 0

    def run(self, *, cut: bool = False) -> None:
        """Decode everything. cut: the recorder could not finish; what some rings still held when
        it ended is missing, so that later events of others do not count. Errors: OutputFailed.
        """
        rounds = [note.when for note in self._notes if note.kind == ROUND]
        end = max(rounds, default=0) if cut else FOREVER
        flight = self._flight
        if flight.launched:
            self._tasks[flight.pid] = FlightTask(flight.pid, flight.pid, None)
        notes = deque(note for note in self._notes if note.kind != ROUND)
        self._pass(notes, end)
        for note in notes:
            self._noted(note)
        for image in {task.image for task in self._tasks.values() if task.image is not None}:
            image.close()
        if self._stacks is not None:
            self._stacks.close()

    def go_on(self, view: bytearray, notes: "deque[Note]", until: int) -> dict[int, int]:
        """Decode what is ready of events that still come, and the notes that are due by a time.

        Returns: how far the pieces of each thread have been used. Errors: OutputFailed.
        """
        with memoryview(view) as self._view:
            self._pass(notes, FOREVER)
        while notes and notes[0].when <= until:
            self._noted(notes.popleft())
        return self._pieces.used

    def _pass(self, notes: "deque[Note]", end: int) -> None:
        """Go through events up to a time, and through the notes between them."""
        for when, offset in self._order:
            if when > end:
                break
            while notes and notes[0].when <= when:
                self._noted(notes.popleft())
            self._event(when, offset)

    # What the recorder has noted.

    def _noted(self, note: Note) -> None:
        if note.kind == GAP:
            self.lost += note.lost
            self._seen = set()
        elif note.kind == LOOK:
            self._looked_at(note)
        elif note.kind == OVER:
            gone = [task for task in self._tasks.values() if self._is_blind(task.tgid)]
            for task in gone:
                self._vanished(task)
            self._seen = None
        elif note.kind == LAST:
            if self._is_blind(note.pid) or not note.smaps:
                # What led to this map was lost, or it has ended meanwhile.
                return
            users = [task for task in self._tasks.values() if task.tgid == note.pid]
            if users and users[0].image is not None:
                users[0].image.end_with(note.smaps, note.facts)
            self._left.add(note.pid)

    def _is_blind(self, tgid: int) -> bool:
        """Return whether events of a process do not count now."""
        return tgid in self._left or (self._seen is not None and tgid not in self._seen)

    def _looked_at(self, note: Note) -> None:
        """A process is known again, or for the first time."""
        for task in [task for task in self._tasks.values() if task.tgid == note.pid]:
            self._vanished(task)
        known = self._execs.get(note.pid, -1) + 1
        self._execs[note.pid] = known
        walk = self._walks.pop(note.pid, MapWalk())
        facts = walk.completed(note.facts, note.smaps)
        image = FlightImage(self._output, f"{note.pid}.{known}", facts)
        if note.smaps:
            image.first_map(note.smaps, self._kernel)
        if self._output.meta.get("main_image") is None:
            self._output.meta["main_image"] = image.name
        self._output.event("attach", image.name, pid=note.pid)
        for tid in note.threads:
            self._join(FlightTask(tid, note.pid, None), image)
            if tid != note.pid:
                self._output.event("thread", image.name, tid=tid, tgid=note.pid)
        if self._seen is not None:
            self._seen.add(note.pid)

    def _vanished(self, task: FlightTask) -> None:
        """Nothing tells how a thread went on, or ended."""
        image = task.image
        del self._tasks[task.tid]
        if image is not None:
            self._output.event("exit", image.name, tid=task.tid, tgid=task.tgid)
            task.last = None
            self._leave(task, image, task.tid)

    def _event(self, when: int, offset: int) -> None:
        kind, tid, tgid, word, _ = layout.head.unpack_from(self._view, offset)
        if word == layout.LOOK_MAP and kind in (layout.VMA, layout.VMAS):
            self._walks.setdefault(tgid, MapWalk()).add(self._view, kind, offset)
            return
        if self._is_blind(tgid):
            return
        task = self._tasks.get(tid)
        if kind in (layout.CALL, layout.KILLED):
            if task is not None and task.image is not None:
                self._call(task, task.image, offset, when, killed=kind == layout.KILLED)
            else:
                self.strangers += 1
        elif kind in (layout.WRITTEN, layout.GROWN):
            if task is not None and task.image is not None:
                address = layout.fault.unpack_from(self._view, offset)[5]
                task.image.fault("pages" if kind == layout.WRITTEN else "grow", address)
        elif kind == layout.TASK:
            self._made(task, offset)
        elif kind == layout.EXEC:
            self._executed(tid, word, offset)
        elif kind == layout.EXIT:
            self._ended(task, word & 0xFFFF)
        elif task is not None and kind == layout.VMA:
            task.listed.append(vma_at(self._view, offset))
        elif task is not None and kind == layout.VMAS:
            self._listed(task, word, offset)

    # Tasks.

    def _join(self, task: FlightTask, image: FlightImage) -> None:
        self._tasks[task.tid] = task
        task.image = image
        image.users.add(task.tid)

    def _made(self, parent: FlightTask | None, offset: int) -> None:
        """A thread has made another."""
        _, tid, _, child, _, tgid, _, flags, _ = layout.task.unpack_from(self._view, offset)
        if parent is None or parent.image is None:
            return
        made = FlightTask(child, tgid, None)
        if not flags & CLONE_VM:
            name = f"{child}.0"
            self._execs[child] = 0
            parent.image.flush()
            image = FlightImage(self._output, name)
            self._join(made, image)
            self._output.event("fork", name, pid=child, ppid=tid)
            image.like(parent.image)
            return
        self._join(made, parent.image)
        if flags & CLONE_THREAD:
            self._output.event("thread", parent.image.name, tid=child, tgid=tgid)
        else:
            self._output.event("sharemm", parent.image.name, pid=child, ppid=tid)

    def _executed(self, tid: int, former: int, offset: int) -> None:
        """A process has become another program."""
        task = self._tasks.pop(former, None)
        if task is None:
            return
        old = task.image
        self._tasks[tid] = task
        task.tid = tid
        if old is not None:
            if former != tid:
                self._output.event("exit", old.name, tid=former, tgid=tid)
                self._output.line(tid, f"+++ superseded by execve in pid {former} +++")
            self._leave(task, old, former)
        task.last = None
        self._execs[tid] = self._execs.get(tid, 0) + 1
        name = f"{tid}.{self._execs[tid]}"
        image = FlightImage(self._output, name)
        self._join(task, image)
        self._output.event("exec", name, pid=tid)
        task.listed = []
        task.loaded = Loaded(self._view, offset)
        meta = self._output.meta
        if meta.get("main_image") is None:
            meta["main_image"] = name
            meta["line_of_main_exec"] = self._output.lines + 1
            image.facts["fds"] = self._flight.fds
        self._exec_line(task, task.loaded, offset)

    def _exec_line(self, task: FlightTask, loaded: Loaded, offset: int) -> None:
        when = layout.head.unpack_from(self._view, offset)[4]
        call = decode_call(
            task.tid, "execve", loaded.args, self._pieces.of(self._view, task.tid, when)
        )
        if not call.mem:
            call.mem = {0: loaded.filename}
        self._line(task, whole_call(call_text(call), "0"), when)

    def _listed(self, task: FlightTask, which: int, offset: int) -> None:
        """A list of VMAs is whole, unless some of it was lost."""
        fields = layout.vmas.unpack_from(self._view, offset)
        count, *counters = fields[5:]
        listed, task.listed = task.listed, []
        if len(listed) != count or count != counters[0] or count == 0:
            return
        image = task.image
        if which == layout.LAST_MAP:
            task.last = (listed, tuple(counters[1:5]))
        elif image is not None and task.loaded is not None:
            image.begin(task.loaded, listed, self._kernel)
            task.loaded = None
            self._output.changed()

    def _leave(self, task: FlightTask, image: FlightImage, tid: int) -> None:
        """A thread leaves an image; the last one ends it."""
        image.users.discard(tid)
        if not image.users:
            if task.last is not None:
                main = self._output.meta.get("main_image") == image.name
                image.end(*task.last, self._kernel, self._output.meta if main else {})
            image.close()
            if self._stacks is not None:
                self._stacks.ended(image)
        task.last = None
        task.image = None

    def _ended(self, task: FlightTask | None, status: int) -> None:
        """A thread has ended."""
        if task is None:
            return
        image = task.image
        del self._tasks[task.tid]
        if image is not None:
            self._output.event("exit", image.name, tid=task.tid, tgid=task.tgid)
            self._leave(task, image, task.tid)
            write_end(self._output, task.tid, status)
        if task.tid == self._flight.pid and self._flight.launched:
            self._output.meta["exit_status"] = (
                -(status & 127) if status & 127 else status >> 8 & 0xFF
            )

    # Calls.

    def _call(
        self, task: FlightTask, image: FlightImage, offset: int, when: int, *, killed: bool
    ) -> None:
        """A call has ended, or its thread has."""
        fields = layout.call.unpack_from(self._view, offset)
        number, left, entered, locked, result, _, count = fields[3:]
        args = layout.arguments(self._view, offset, count)
        # What a call is not timed for, nobody has read.
        memory = self._pieces.of(self._view, task.tid, left, entered) if entered else Pieces()
        entered = entered or when
        narrow = number >= COMPAT_BASE
        if narrow:
            known = call_of(number - COMPAT_BASE, args, memory)
        else:
            name = SYSCALL_OF_NUMBER.get(number)
            known = None if name is None else (name, args)
        if known is None:
            return
        call = decode_call(task.tid, *known, memory, wide=not narrow)
        if killed:
            if call.name in ENDS or locked:
                self._line(task, whole_call(call_text(call), "?"), entered)
            return
        if narrow:
            result = result_of(number - COMPAT_BASE, args, result, memory)
        if call.name in EXECS and result == 0:
            # It has been told of by the exec itself.
            return
        if call.name in PAIRS:
            answers(call, result, memory)
        text = call_text(call)
        if call.name == "mmap" and not call.args[3] & MAP_ANONYMOUS and memory.note:
            text = noted(text, memory.note)
        if call.name == "brk" and result > 0:
            image.brk = result
        self._line(task, whole_call(text, result_text(call, result)), entered)
        if self._stacks is not None:
            if memory.stack >= 0:
                self._output.more(self._stacks.lines(image, task.tgid, self._view, memory.stack))
            self._stacks.called(image, call, result, memory.path, memory.inode)
        path = (call.mem or {}).get(call.row.string) if call.row.family & OPENS else None
        if result >= 0 and isinstance(path, str):
            self._kernel.opened(path, self._flight.folder)

    def _line(self, task: FlightTask, text: str, when: int) -> None:
        """Write a line of the log; what was seen of faults comes before it."""
        if task.image is not None:
            task.image.flush()
        self._output.line(task.tid, text, (when + self._flight.clock) / 1e9)
