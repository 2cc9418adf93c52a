# SPDX-License-Identifier: GPL-2.0-or-later
"""Tasks of a bare log that no call in it made: whether one is a thread, and of which process.

A log of memory calls alone has no clone. What follows in the log tells: the end of a process is
signalled to its parent, that of a thread is not; two threads never get the same addresses; a new
thread needs a stack, which the C library maps with MAP_STACK.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Final, final

from vmalab.calls.call import Call, Event, Exit, Signal, Unparsed
from vmalab.calls.ranges import page_range
from vmalab.calls.table import EXECS, MAPS
from vmalab.linux.include.uapi.errno import EACCES, ENOMEM
from vmalab.linux.include.uapi.mman import MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_STACK
from vmalab.linux.include.uapi.unistd import NR_mmap
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import find_vma_intersection, vma_lookup
from vmalab.replay.memory_calls import shares_memory
from vmalab.replay.process_image import ImageState

# What a task can be that nobody made.
OWN: Final = 0
THREAD: Final = 1
CHILD: Final = 2
_CHILD_ENDS: Final = "SIGCHLD"
# How calls fail on memory that is mapped: by a limit of VMAs, or for its file.
_OF_MAPPED: Final = (-ENOMEM, -EACCES)
# By how much a heap may grow in lines that a log lacks, in bytes.
_HEAP_GROWS: Final = 32 << 20
_LOW: Final = (1 << 32) - 1
# Processes that are remembered.
_MOST: Final = 1 << 16


@final
class _Stacks:
    """What a process has mapped for threads. seen: mapped ever; free: not given to one yet."""

    def __init__(self) -> None:
        self.seen = 0
        self.free = 0


_NO_STACKS: Final = _Stacks()


@final
class UnseenTasks:
    """Tells of a task that appears without having been made what it is."""

    def __init__(self) -> None:
        self._stacks: dict[Mm, _Stacks] = {}

    def note(self, mm: Mm, call: Call) -> None:
        """A call of a process has been read: it may map the stack of a thread."""
        if call.row.number == NR_mmap and call.a3 & MAP_STACK and (call.ret or -1) >= 0:
            if mm not in self._stacks and len(self._stacks) >= _MOST:
                self._stacks.clear()
            stacks = self._stacks.setdefault(mm, _Stacks())
            stacks.seen += 1
            stacks.free += 1

    def made(self, mm: Mm) -> None:
        """A process has got a thread, which has a stack of it."""
        stacks = self._stacks.get(mm)
        if stacks is not None and stacks.free:
            stacks.free -= 1

    def kin(
        self, first: Call, ahead: Sequence[Event], living: Callable[[], list[tuple[ImageState, Mm]]]
    ) -> Iterator[tuple[ImageState, Mm, int]]:
        """Yield the processes that a task can be of, with their memory, and what it is to each.

        first: its first call. ahead: what follows in the log. living: the processes that there are.
        """
        if first.row.family & EXECS:
            return
        task = UnseenTask(first, ahead)
        if not (task.told_child or self._stacks or task.addresses):
            return
        for state, mm in living():
            kind = self._kind(mm, task)
            if kind != OWN:
                yield state, mm, kind

    def _kind(self, mm: Mm, task: "UnseenTask") -> int:
        """Return what a task is to the process with an address space."""
        if task.told_child:
            return CHILD
        stacks = self._stacks.get(mm, _NO_STACKS)
        if not stacks.seen and not task.touches(mm):
            return OWN
        shared = task.ended or task.beside == THREAD or stacks.free or not stacks.seen
        return THREAD if shared and not task.parted and not task.collides(mm) else CHILD


@final
class UnseenTask:
    """A task that appears without having been made, by what follows in the log.

    told_child: a parent is told of its end. ended: it ends. parted: it does what only a process
    does. beside: what later addresses tell. addresses: the pages that its calls are about, but for
    those that map.
    """

    def __init__(self, first: Call, ahead: Sequence[Event]) -> None:
        """first: its first call. ahead: what follows in the log."""
        tid = first.tid
        self._first = first
        self._ahead = ahead
        self.told_child = self.ended = False
        self.beside = _beside(first, ahead)
        self.parted = self.beside == CHILD
        self.addresses: list[int] = []
        for item in chain((first,), ahead):
            if isinstance(item, Signal):
                told = item.name == _CHILD_ENDS and f"si_pid={tid}," in item.text
                self.told_child = self.told_child or told
            elif isinstance(item, Exit):
                self.ended = self.ended or item.tid == tid
            elif isinstance(item, Call) and item.tid == tid:
                self.parted = (
                    self.parted or item.name == "exit_group" or item.row.family & EXECS != 0
                )
                at = item.range_at
                told = (item.ret or 0) >= 0 or item.ret in _OF_MAPPED
                if at >= 0 and not item.row.family & MAPS and told:
                    self.addresses.append(page_range(item.args[at], 1)[0])

    def touches(self, mm: Mm) -> bool:
        """Return whether a call is about memory that is mapped in an address space."""
        return any(vma_lookup(mm, address) is not None for address in self.addresses)

    def collides(self, mm: Mm) -> bool:
        """Return whether the first call was given addresses that an address space has in use.

        Those that a call which is under way unmaps are not.
        """
        call = self._first
        if call.name != "mmap" or call.ret is None or call.ret < 0:
            return False
        if call.args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE):
            return False
        start, end = page_range(call.ret, call.args[1])
        if start >= end or find_vma_intersection(mm, start, end) is None:
            return False
        return not any(
            isinstance(item, Call)
            and item.name == "munmap"
            and item.entry_line < call.line
            and item.args[0] <= call.ret < item.args[0] + item.args[1]
            for item in self._ahead
        )


def is_of_one_thread(call: Call) -> bool:
    """Return whether a log that begins with a call is of one thread among several (strace -ff)."""
    return call.tid == 0 and call.name in ("rseq", "set_robust_list")


def is_unfollowed(call: Call, ahead: Iterable[Event]) -> bool:
    """Return whether a log of one thread shows nothing of a thread that the call made.

    So it is with `strace` without -f, and with each file of `strace -ff`.
    """
    if call.tid or not shares_memory(call) or call.name == "vfork":
        return False
    return all(isinstance(item, Unparsed) or item.tid == 0 for item in ahead)


def _beside(first: Call, ahead: Iterable[Event]) -> int:
    """Return what later addresses tell of the caller of a first call: THREAD, CHILD, or OWN.

    A copy of an address space gets the addresses again that the caller has. In a shared one, others
    are put below them, next to them where they are the lowest. What has been unmapped meanwhile, or
    was about to be, is free.
    """
    calls = [first, *(item for item in ahead if isinstance(item, Call) and item.ret is not None)]
    freed = [(call.entry_line, *_span(call)) for call in calls if call.name == "munmap"]
    held: list[tuple[int, int, int]] = []
    for call in calls:
        if call.name != "mmap" or (call.ret or -1) < 0:
            continue
        if call.args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE):
            continue
        start, end = _span(call)
        if call.tid == first.tid:
            held.append((call.line, start, end))
            continue
        for line, low, high in held:
            if any(
                line < at < call.line and lower < high and low < upper for at, lower, upper in freed
            ):
                continue
            if low < end and start < high:
                return CHILD
            if end == low or (end < low and end - start <= high - low):
                return THREAD
    return OWN


def _span(call: Call) -> tuple[int, int]:
    """Return what a call mapped or unmapped, `[start, end)` in bytes."""
    start = call.args[0] if call.name == "munmap" else call.ret or 0
    return page_range(start, call.args[1])


def shows_exec(state: ImageState | None, call: Call) -> bool:
    """Return whether a call shows that its process has another program than before.

    A log of memory calls alone has no exec. A loader asks for the break, and of the program before
    it was another one, far from any that it can have grown to.
    """
    if state is None or state.mm is None or state.known_layout or state.shared:
        return False
    if call.name != "brk" or call.args[0] != 0 or call.ret is None or call.ret <= 0:
        return False
    start, now = int(state.mm.start_brk), int(state.mm.brk)
    if call.ret <= _LOW:
        # A call by int 0x80 shows the lower half of an address.
        start, now = start & _LOW or start, now & _LOW
    return start > 0 and not start <= call.ret <= now + _HEAP_GROWS
