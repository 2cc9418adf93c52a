# SPDX-License-Identifier: GPL-2.0-or-later
"""One address space under observation: its snapshots, steps and faults, and who may change it.

A space is looked at only while the thread at hand is held, and while no other thread that shares it
is in a call that changes it: `holder` is the one that is, `queue` are those that wait for it.
"""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, final

from vmalab.calls.call import Call
from vmalab.calls.ranges import EVERYWHERE
from vmalab.calls.table import MOVES_CODE
from vmalab.linux.include.uapi.mman import (
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MAP_ANONYMOUS,
    PROT_EXEC,
)
from vmalab.recording.tracer.changed_ranges import range_after, ranges_before
from vmalab.recording.tracer.growth import StackGrowth, growing_ranges
from vmalab.recording.tracer.memory import Memory
from vmalab.recording.tracer.mounts import of_device
from vmalab.recording.tracer.probe import Probe
from vmalab.recording.tracer.proc_files import (
    ImageFacts,
    anonymous_ranges,
    belongings,
    devices,
    difference,
    flagged_lines,
    image_facts,
    layout,
    lines_of,
    mapped_sizes,
    read_proc,
    read_smaps,
    status_of,
)
from vmalab.recording.tracer.program_headers import program_headers
from vmalab.recording.tracer.recording_writer import ImageFiles, Output
from vmalab.recording.tracer.stops import CLOSERS
from vmalab.recording.tracer.untraced import Untraced

if TYPE_CHECKING:
    from vmalab.recording.tracer.call_stacks import Stacks
    from vmalab.recording.tracer.partings import Release

# VmFlags of what a userfaultfd watches: for missing pages, writes, and those of files.
_WATCHED: Final = (b" um ", b" uw ", b" ui ")


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user asked of a recording.

    steps: the map after every call. checkpoint: lines of the log between snapshots, 0 for none.
    stacks: call stacks. probed: the kernel can tell what was written to. logged: ends of threads
    are in the log.
    """

    steps: bool = False
    checkpoint: int = 0
    stacks: bool = False
    probed: bool = False
    logged: bool = True


@dataclass(frozen=True, slots=True)
class LastMap:
    """A space at its end: smaps text, and what meta.json says of it."""

    smaps: bytes
    mm: dict[str, str]
    status: dict[str, str]


@final
class Flight:
    """A call that a thread is in. text: as printed, up to its `)`.

    ordered: others that share the space wait for it. unfinished: its text is in the log already.
    """

    __slots__ = (
        "call",
        "frames",
        "ordered",
        "registers",
        "text",
        "unfinished",
        "untraced",
        "when",
    )

    def __init__(self, call: Call, text: str) -> None:
        self.call = call
        self.text = text
        # Number and arguments as a 32-bit program gave them; None for any other.
        self.registers: tuple[int, tuple[int, ...]] | None = None
        # Set while its flags are changed, so that a child can be followed.
        self.untraced: Untraced | None = None
        # When it was entered, in seconds of the epoch.
        self.when = time.time()
        self.ordered = False
        self.unfinished = False
        # Its stack, as lines of the log.
        self.frames = ""


@final
class Tracee:
    """A traced thread. space: None before its exec, and when it has left its last one.

    stop: the wait status of the stop that it is held in, 0 while it runs. asked: it has been asked
    to stop, and has not yet. listens: its process is stopped, and the thread is left so.
    """

    __slots__ = (
        "asked",
        "ending",
        "flight",
        "listens",
        "parting",
        "sleep",
        "sleeps_on",
        "space",
        "stop",
        "tgid",
        "tid",
    )

    def __init__(self, tid: int, tgid: int) -> None:
        self.tid = tid
        self.tgid = tgid
        self.space: Space | None = None
        self.flight: Flight | None = None
        self.stop = 0
        self.asked = False
        self.listens = False
        # How the space ends if the exec at hand succeeds.
        self.ending: LastMap | None = None
        # Set when it is to be let go.
        self.parting: Release | None = None
        # When it entered a call with a time limit, and the limit if that was changed; see `sleeps`.
        self.sleep: tuple[float, int] | None = None
        # Whether a call was broken off that it makes anew.
        self.sleeps_on = False


@final
class Space:
    """One mm, seen through any thread that uses it. name: of its image."""

    def __init__(self, output: Output, name: str, choices: Choices) -> None:
        self.name: Final = name
        self.tasks: set[int] = set()
        self.holder: Tracee | None = None
        self.queue: deque[Tracee] = deque()
        self.memory: Memory | None = None
        self._output = output
        self._choices = choices
        self._probe: Probe | None = None
        self._facts: dict[str, object] = {}
        self._files: ImageFiles = output.image(name, self._facts)
        # The map as steps have it so far, and the plain text it came from.
        self._lines: list[bytes] = []
        self._plain = b""
        self._next_checkpoint = output.lines + choices.checkpoint
        self._brk = 0
        self._growth: StackGrowth | None = None
        self._stacks: Stacks | None = None
        if choices.stacks:
            from vmalab.recording.tracer import call_stacks

            self._stacks = call_stacks.Stacks(output.places)
        # Whether a userfaultfd may have been registered: closing it changes VMAs.
        self._watched = False

    def begin(self, tid: int, *, executed: bool, first: bool) -> list[str]:
        """Take the first snapshot of a new, held space: the ranges that were written to.

        executed: it is a program that has just been loaded. first: the recording begins with it.

        Errors: OSError when it is gone already.
        """
        self.memory = Memory(tid)
        smaps = read_smaps(tid)
        self._files.snapshot("initial", smaps)
        facts: ImageFacts = image_facts(tid)
        written = anonymous_ranges(smaps)
        self._watched = any(flag in smaps for flag in _WATCHED)
        self._facts |= asdict(facts) | {"anon_vma": written}
        headers = program_headers(tid, smaps, facts.auxv) if executed else {}
        if headers:
            self._facts["elf"] = headers
        if first:
            self._facts |= belongings(tid)
        self._output.changed()
        self._note_file_systems(tid, smaps)
        self._brk = _heap_end(smaps)
        if self._choices.steps:
            self._lines = flagged_lines(smaps)
            self._plain = read_proc(tid, "maps")
            self._files.append("steps.txt", b"")
        if self._choices.probed:
            self._probe = Probe(tid)
            if first and not executed and (guards := self._probe.guards()):
                self._facts["guards"] = guards
            self._files.append("faults.txt", b"")
            self._growth = StackGrowth(self._probe, growing_ranges(flagged_lines(smaps)))
        return written

    def _note_file_systems(self, tid: int, smaps: bytes) -> None:
        """Let meta.json say on which file systems the files of a first map are."""
        known = self._output.meta.setdefault("filesystems", {})
        assert isinstance(known, dict)
        for dev in devices(smaps):
            if dev not in known:
                words = of_device(tid, dev)
                if words:
                    known[dev] = words

    # Around calls.

    def stack(self, tid: int) -> str:
        """Return the stack of a held thread, as lines of the log; "" when none was asked for."""
        if self._stacks is None or self.memory is None:
            return ""
        return self._stacks.lines(tid, self.memory)

    def before(self, tid: int, call: Call) -> None:
        """A thread is about to make a call that may change the space."""
        closes = call.name in CLOSERS
        if closes and not self._watched:
            return
        if self._choices.steps:
            self._unexpected(tid, call.spelling, "E")
        if self._probe is not None:
            self._note_growth()
            found: list[int] = []
            for start, end in EVERYWHERE if closes else ranges_before(call, self._brk):
                if start < end:
                    found += self._probe.near(start, end, fresh=False)
            self._note_pages(found)
            self._note_sizes(tid, call)

    def after(self, call: Call, result: int) -> None:
        """The call has returned, and is not in the log yet."""
        if call.name == "ioctl" and result >= 0:
            self._watched = True
        if call.name == "brk" and result > 0:
            self._brk = result
        if self._stacks is not None and call.row.family & MOVES_CODE:
            # Code of files only: what a program writes itself has no tables to walk by.
            of_file = call.name == "mmap" and not call.args[3] & MAP_ANONYMOUS
            start = result if call.name == "mmap" else call.args[0]
            code = of_file and call.args[2] & PROT_EXEC != 0
            self._stacks.changed(start, start + call.args[1], code)
        if self._probe is not None:
            made = range_after(call, result)
            if made is not None:
                self._note_pages(self._probe.near(*made, fresh=True))
            if self._growth is not None:
                self._growth.settle(call, result)

    def logged(self, tid: int, call: Call, line: int) -> None:
        """The call stands on this line of the log: what the map has become."""
        if self._choices.steps and (self._watched or call.name not in CLOSERS):
            self._step(tid, call.spelling, "X", line)
        if self._choices.checkpoint and self._output.lines >= self._next_checkpoint:
            self._next_checkpoint = self._output.lines + self._choices.checkpoint
            self._files.snapshot(f"checkpoint-{self._output.lines}", read_smaps(tid))
            if self._probe is not None:
                self._note_growth()

    def written(self, ranges: Iterable[str]) -> None:
        """A copy of the space has shown these ranges to have been written to."""
        if self._probe is not None:
            self._note_pages([int(span.partition("-")[0], 16) for span in ranges])

    # Its end.

    def left_by(self, tid: int) -> None:
        """A thread uses it no more."""
        self.tasks.discard(tid)
        if self._stacks is not None:
            self._stacks.forget(tid)

    def last(self, tid: int) -> LastMap:
        """Return the space as it is now, when it may be about to end.

        Preconditions: tid is held.
        """
        if self._choices.steps:
            self._unexpected(tid, "exit", "Q")
        if self._probe is not None:
            self._note_growth()
        places = {name: f"{at:#x}" for name, at in layout(tid).items()}
        return LastMap(read_smaps(tid), places, status_of(tid))

    def end(self, last: LastMap | None) -> None:
        """No thread uses it any more: how it was at last, if that could be seen."""
        if last is not None and last.smaps:
            self._files.snapshot("final", last.smaps)
            self._facts["final_mm"] = last.mm
            self._facts["final_status"] = last.status
            if self._output.meta.get("main_image") == self.name:
                sizes = {key: value for key, value in last.status.items() if key in COUNTED}
                counters = {key: int(value.split()[0]) for key, value in sizes.items()}
                self._output.meta["counters"] = {"final": {"image": self.name, **counters}}
            self._output.changed()
        self.close()

    def close(self) -> None:
        """Nothing more will be asked of it."""
        if self.memory is not None:
            self.memory.close()
            self.memory = None
        if self._probe is not None:
            self._probe.close()
            self._probe = None
        if self._stacks is not None:
            self._stacks.close()
        self._output.size += self._files.size
        self._files.size = 0
        self._files.close()

    # Faults.

    def _note_growth(self) -> None:
        """Note what faults have let grow: the stack, or other mappings that grow down."""
        for start, end in () if self._growth is None else self._growth.grown():
            text = f"@{self._output.lines} stack {start:x} {end:x}\n"
            self._files.append("faults.txt", text.encode())

    def _note_pages(self, pages: list[int]) -> None:
        if pages:
            shown = " ".join(f"{page:x}" for page in pages)
            text = f"@{self._output.lines} pages {shown}\n"
            self._files.append("faults.txt", text.encode())

    def _note_sizes(self, tid: int, call: Call) -> None:
        """Note how long the files are whose pages a call is about to fault in."""
        populates = call.name == "madvise" and call.args[2] in (
            MADV_POPULATE_READ,
            MADV_POPULATE_WRITE,
        )
        if not populates and call.name not in ("mlock", "mlock2"):
            return
        span = (call.args[0], call.args[0] + call.args[1])
        for dev, inode, size in mapped_sizes(tid, [span]):
            text = f"@{self._output.lines} size {dev} {inode} {size}\n"
            self._files.append("faults.txt", text.encode())

    # Steps.

    def _unexpected(self, tid: int, name: str, which: str) -> None:
        """A step that no call made, if the map is not what it was."""
        if read_proc(tid, "maps") != self._plain:
            self._step(tid, name, which, self._output.lines)

    def _step(self, tid: int, name: str, which: str, line: int) -> None:
        smaps = read_smaps(tid)
        new = flagged_lines(smaps)
        if not new:
            return
        old = self._lines
        if new != old:
            start, ndel, nins = difference(old, new)
            head = f"@{line} {tid} {which} {name} {start} {ndel} {nins}\n"
            rows = b"".join(line + b"\n" for line in new[start : start + nins])
            self._files.append("steps.txt", head.encode() + rows)
            self._lines = new
        self._plain = read_proc(tid, "maps")


# Sizes of /proc/PID/status that follow from the map alone.
COUNTED: Final = frozenset(("VmSize", "VmLck", "VmData", "VmStk", "VmExe", "VmLib"))


def _heap_end(smaps: bytes) -> int:
    """Return the end of the heap, 0 when there is none."""
    end = 0
    for line in lines_of(smaps):
        if line.endswith(b" [heap]"):
            end = int(line.partition(b"-")[2].partition(b" ")[0], 16)
    return end
