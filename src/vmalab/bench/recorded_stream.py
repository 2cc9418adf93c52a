# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory calls of a recorded program as a stream that a worker can make.

The first program of the recording is followed, with its threads. Its first map is built at the
recorded places. One file, a memfd, stands for all files. Where the kernel finds a place, it is not
the recorded one: from then on the recorded addresses of that mapping mean the new ones. What would
harm the worker's own program is left out.
Pages are not touched: MAP_POPULATE and locks' populating are left out.
"""

from collections.abc import Iterator
from typing import Final, final

from vmalab.bench.stream import Maker, Stream
from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.calls.table import ADDRESS, LOOKS, RANGED
from vmalab.check.twin import Twin
from vmalab.linux.include.page import USER_END
from vmalab.linux.include.uapi import unistd as nr
from vmalab.linux.include.uapi.mman import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_HUGETLB,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MREMAP_FIXED,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from vmalab.linux.include.uapi.sched import CLONE_THREAD
from vmalab.recording.format.recording import Image, RecordingFiles

_FILE_SIZE: Final = 1 << 30
# Calls of one recording that are timed at most.
MAX_CALLS: Final = 40_000


@final
class StreamTranslation:
    """Where recorded addresses are now: ranges in bytes, the latest that fits counts."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int, int]] = []

    def add(self, recorded: int, size: int, now: int) -> None:
        """A mapping of `size` bytes that was at `recorded` lies at `now`."""
        if recorded != now:
            self._ranges.append((recorded, recorded + size, now - recorded))

    def __call__(self, address: int) -> int:
        """Return where an address is now."""
        for start, end, shift in reversed(self._ranges):
            if start <= address < end:
                return address + shift
        return address


def _protection(line: VmaLine) -> int:
    bits = zip(line.perms, (PROT_READ, PROT_WRITE, PROT_EXEC), strict=False)
    return sum(bit for letter, bit in bits if letter != "-")


@final
class Own:
    """The worker's own ranges, in bytes, which no call may touch."""

    def __init__(self, twin: Twin) -> None:
        self._ranges = [(vma.vm_start, vma.vm_end) for vma in twin.vmas()]

    def harmed(self, start: int, size: int) -> bool:
        """Return whether `[start, start + size)` is one of them, or a part."""
        return any(start < end and first < start + size for first, end in self._ranges)


def _build(maker: Maker, lines: Snapshot, fd: int, own: Own) -> None:
    """Map what the first map shows, but for what every process has."""
    for line in lines:
        if line.start >= USER_END or line.name.startswith("["):
            continue
        if own.harmed(line.start, line.end - line.start):
            continue
        flags = MAP_FIXED | (MAP_SHARED if line.perms[3] == "s" else MAP_PRIVATE)
        anonymous = line.dev == "00:00"
        flags |= MAP_ANONYMOUS if anonymous else 0
        number, offset = (U64_MAX, 0) if anonymous else (fd, line.pgoff)
        size = line.end - line.start
        maker.row(nr.NR_mmap, line.start, size, _protection(line), flags, number, offset)


def recorded_stream(recording: RecordingFiles, twin: Twin) -> Stream:
    """Return the stream of a recording; without calls when it has none that can be made.

    Uses up `twin`.

    Errors: ReadError.
    """
    own = Own(twin)
    maker = Maker(twin.task, recording.name)
    fd = maker.open("memfd_create", (0,), {0: "bench"})
    maker.open("ftruncate", (fd, _FILE_SIZE))
    image = recording.image(recording.meta.main_image)
    first = None if image is None else image.initial()
    moved = StreamTranslation()
    start_brk = maker.row(nr.NR_brk, 0)
    if first is not None and image is not None:
        _build(maker, first, fd, own)
        for line in first:
            if line.name == "[heap]":
                size = line.end - line.start
                maker.row(nr.NR_brk, start_brk + size)
        recorded_brk = image.meta.mm.get("start_brk", 0)
        if recorded_brk:
            moved.add(recorded_brk, 1 << 36, start_brk)
    maker.begin_timing()
    for event in _calls_of(recording, image):
        if len(maker.rows) >= MAX_CALLS:
            break
        if _is_timed(event) and event.abi == "x86_64":
            _make(maker, event, moved, fd, own)
    return maker.stream


def _calls_of(recording: RecordingFiles, image: Image | None) -> Iterator[Call]:
    """Yield the calls of an image's threads, or of a bare log's first process until it ends."""
    threads = set() if image is None else {image.pid}
    wanted = 0 if image is None else image.execs
    execs = 0
    for event in recording.log():
        if not isinstance(event, Call) or event.lenient or event.ret is None:
            continue
        if not threads:
            threads = {event.tid}
            wanted = int(event.name == "execve")
        if event.tid not in threads:
            continue
        if event.name in ("execve", "execveat") and event.ret == 0:
            execs += 1
            if execs > wanted:
                return
        elif event.name in ("clone", "clone3") and event.ret > 0 and _is_thread(event):
            threads.add(event.ret)
        if execs == wanted:
            yield event


def _is_thread(event: Call) -> bool:
    given = (event.mem or {}).get(0)
    flags = given.get("flags", 0) if isinstance(given, dict) else event.args[0]
    return isinstance(flags, int) and flags & CLONE_THREAD != 0


def _is_timed(call: Call) -> bool:
    """Whether a call works on a range, or is brk, and takes all that it needs from registers."""
    row = call.row
    if not row.family & (RANGED | ADDRESS) or row.family & LOOKS or not row.kinds:
        return False
    return row.kinds[0] == "addr" and not any(kind[0] == "&" for kind in row.kinds)


def _make(maker: Maker, event: Call, moved: StreamTranslation, fd: int, own: Own) -> None:
    """One call, at the places that are now those of the recording."""
    args = list(event.args)
    ret = event.ret or 0
    fixed = False
    if args[0]:
        args[0] = moved(args[0])
    if event.name == "mmap":
        fixed = args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE) != 0
        args[3] &= ~(MAP_POPULATE | MAP_HUGETLB)
        if not args[3] & MAP_ANONYMOUS:
            args[4] = fd
    elif event.name == "mremap":
        fixed = args[3] & MREMAP_FIXED != 0
        args[4] = moved(args[4])
    if event.name != "brk" and own.harmed(args[0], args[1]):
        return
    if event.name == "mremap" and fixed and own.harmed(args[4], args[2]):
        return
    now = maker.row(NUMBER_OF_SYSCALL[event.name], *args)
    if ret > 0 and now > 0 and not fixed and event.name in ("mmap", "mremap"):
        moved.add(ret, args[1] if event.name == "mmap" else args[2], now)
