# SPDX-License-Identifier: GPL-2.0-or-later
"""What the moves of random streams draw from: seeded choices, places to work in, what there is.

A stream works in windows: small ranges of addresses where VMAs lie close together, so that calls
meet each other's boundaries. Which VMAs there are is told from the model now and then; a range that
fits them does more than one drawn blindly.
"""

import random
from array import array
from collections.abc import Sequence
from typing import Final, TypeVar, final

from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.table import DUPS
from vmalab.linux.fs.proc.clear_refs import CLEAR_REFS
from vmalab.linux.include.page import PAGE_SIZE, POINTER_UNKNOWN
from vmalab.linux.include.uapi.errno import EBADF, ENOTTY
from vmalab.linux.include.uapi.fcntl import F_DUPFD, F_DUPFD_CLOEXEC
from vmalab.linux.include.uapi.sched import CLONE_THREAD
from vmalab.linux.include.uapi.userfaultfd import UFFDIO_API, UFFDIO_REGISTER
from vmalab.targets.real.real import TID, Abilities
from vmalab.targets.real.wire import ends_process, thread_of

T = TypeVar("T")

PAGE: Final = PAGE_SIZE
MINUS_ONE: Final = U64_MAX

# How many placed mappings and descriptors of each kind are remembered.
MAX_PLACED: Final = 24
MAX_FDS: Final = 6
# Where a process finds what it has open.
FD_LINK: Final = "/proc/self/fd/"
# Processes that wait for their child, at most, and threads of one besides its first.
MAX_DEPTH: Final = 4
MAX_THREADS: Final = 2
# What descriptors are remembered for; "refs": clear_refs; "pipe": either end.
_KINDS: Final = ("file", "memfd", "secret", "uffd", "refs", "pipe")
# Commands of fcntl that answer a copy of a descriptor.
_COPIES: Final = (F_DUPFD, F_DUPFD_CLOEXEC)
# Bytes of randomness that are drawn at a time.
_DRAWN: Final = 8192

# Lengths in pages: short ones most of the time.
_PAGES: Final = (1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 7)


@final
class Window:
    """Addresses that a stream works in: `pages` pages from `base` on (bytes)."""

    def __init__(self, base: int, pages: int) -> None:
        self.base = base
        self.pages = pages
        self.end = base + pages * PAGE
        # The VMAs in it, as far as known: (start, end) in bytes.
        self.vmas: list[tuple[int, int]] = []


@final
class Draw:
    """The state of one stream's generator; the same seed and answers give the same stream.

    start_brk, reserved: the worker's heap and its own ranges, which no call may harm. pages: how
    much it has mapped at the start.
    """

    def __init__(
        self,
        seed: str,
        windows: Sequence[Window],
        abilities: Abilities,
        start_brk: int,
        reserved: Sequence[tuple[int, int]],
        pages: int,
    ) -> None:
        self._random = random.Random(seed)
        # Numbers of 16 bits that were drawn ahead, and how many are used up.
        self._drawn = array("H")
        self._used = 0
        self.windows = windows
        self.window = windows[0]
        self.abilities = abilities
        self.start_brk = start_brk
        self.brk = start_brk
        self.reserved = tuple(reserved)
        self.pages = pages
        # Mappings that the kernel chose a place for: address and length in bytes.
        self.placed: list[tuple[int, int]] = []
        # Descriptors by what they are.
        self.fds: dict[str, list[int]] = {kind: [] for kind in _KINDS}
        # The userfaultfds that have been told which interface is spoken, and what they were given:
        # descriptor, address and length in bytes.
        self.ready: list[int] = []
        self.registered: list[tuple[int, int, int]] = []
        self.segments: list[int] = []
        self.attached: list[int] = []
        self.keys: list[int] = []
        self.depth = 0
        # The numbers of the threads that the process has started.
        self.threads: list[int] = []
        # The userfaultfds that this process has made and not told: it may ask for their events.
        self.unasked: list[int] = []
        # What the processes that wait for their child have open, so that no file is taken for
        # another, and their threads.
        self._parents: list[tuple[dict[str, list[int]], list[int], list[int]]] = []
        # Locks of what is to come are on: nothing large may be mapped then.
        self.locks_future = False
        # What is mapped may be locked: kernels before 5.18 then visit each page, were it never
        # touched, so that nothing vast may be mapped.
        self.visits_pages = False

    # Choices.

    def below(self, limit: int) -> int:
        """Return a number from 0 up to `limit`, which is at most 65536, not itself reached."""
        used = self._used
        if used == len(self._drawn):
            self._drawn = array("H", self._random.randbytes(_DRAWN))
            used = 0
        self._used = used + 1
        return self._drawn[used] * limit >> 16

    def chance(self, percent: int) -> bool:
        """Return whether something that happens so often happens now."""
        return self.below(100) < percent

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of them, all alike."""
        return choices[self.below(len(choices))]

    # Places.

    def choose_window(self) -> Window:
        """Work in another window, perhaps."""
        if len(self.windows) > 1:
            self.window = self.windows[self.below(len(self.windows))]
        return self.window

    def length(self) -> int:
        """Return a length in bytes, mostly of few pages, sometimes of up to the window."""
        if self.chance(8):
            return (1 + self.below(self.window.pages)) * PAGE
        return _PAGES[self.below(16)] * PAGE

    def page(self) -> int:
        """Return an address in the window, page aligned."""
        return self.window.base + self.below(self.window.pages) * PAGE

    def range(self) -> tuple[int, int]:
        """Any range of the window: address and length in bytes."""
        start = self.page()
        return start, min(self.length(), self.window.end - start)

    def mapped_range(self) -> tuple[int, int]:
        """A range that fits a VMA: all of it, its head, tail or middle, or it and a neighbour."""
        vmas = self.window.vmas
        if not vmas or self.chance(15):
            return self.range()
        index = self.below(len(vmas))
        start, end = vmas[index]
        pages = (end - start) // PAGE
        how = self.below(16)
        if how < 5 or (pages == 1 and how < 13):
            return start, end - start
        if how < 8:
            return start, (1 + self.below(pages)) * PAGE
        if how < 11:
            cut = (1 + self.below(pages)) * PAGE
            return end - cut, cut
        if how < 13:
            first = self.below(pages)
            return start + first * PAGE, (1 + self.below(pages - first)) * PAGE
        last = vmas[min(index + 1 + self.below(3), len(vmas) - 1)]
        return start, max(last[1] - start, PAGE)

    def one_vma_range(self) -> tuple[int, int]:
        """Return a range inside one VMA, all of it more often than not."""
        vmas = self.window.vmas
        if not vmas:
            return self.range()
        start, end = vmas[self.below(len(vmas))]
        pages = (end - start) // PAGE
        if pages == 1 or self.chance(50):
            return start, end - start
        first = self.below(pages) if self.chance(60) else 0
        return start + first * PAGE, (1 + self.below(pages - first)) * PAGE

    def placed_range(self) -> tuple[int, int] | None:
        """Return a range of something that the kernel placed; None when there is nothing."""
        if not self.placed:
            return None
        start, length = self.placed[self.below(len(self.placed))]
        pages = length // PAGE
        if pages <= 1 or self.chance(40):
            return start, max(length, PAGE)
        first = self.below(min(pages, 65536)) if self.chance(50) else 0
        return start + first * PAGE, (1 + self.below(min(pages - first, 64))) * PAGE

    def harms(self, start: int, length: int) -> bool:
        """Whether a range that the kernel would accept has memory of the worker's own in it."""
        end = (start + length + PAGE - 1) & -PAGE
        for first, last in self.reserved:
            if start < last and first < end:
                return True
        return False

    def registered_range(self) -> tuple[int, int, int]:
        """A part of what was registered once, with the descriptor: that, address and length."""
        if not self.registered or self.chance(10):
            return self.fd("uffd"), *self.mapped_range()
        fd, start, length = self.pick(self.registered)
        pages = length // PAGE
        first = self.below(pages) if self.chance(70) else 0
        return fd, start + first * PAGE, (1 + self.below(min(pages - first, 4))) * PAGE

    def fd(self, kind: str) -> int:
        """Return a descriptor of a kind, or one that is not open."""
        fds = self.fds[kind]
        if kind == "uffd" and self.ready and self.chance(90):
            fds = self.ready
        return fds[self.below(len(fds))] if fds else 99

    # What became of it.

    def note(self, call: Call, result: int) -> None:
        """A call was answered: remembers what can be used again."""
        name = call.name
        if result < 0:
            if name == "ioctl" and result in (-EBADF, -ENOTTY) and call.args[0] in self.ready:
                # Another process had that one.
                self.ready.remove(call.args[0])
            return
        if name in ("mmap", "mremap"):
            moved = name == "mremap" and call.args[3] & 2 == 0
            if not self.in_windows(result) and not (moved and result == call.args[0]):
                length = call.args[1] if name == "mmap" else call.args[2]
                self._place(result, (length + PAGE - 1) & -PAGE)
        elif name == "brk":
            self.brk = result
        elif call.row.makes:
            if result in self.ready:
                self.ready.remove(result)
            kind = "refs" if call.mem and call.mem.get(1) == CLEAR_REFS else call.row.makes
            self.fds[kind].append(result)
            if kind == "uffd":
                self.unasked.append(result)
        elif name == "close":
            self._forget(call.args[0], call.args[0])
        elif name == "close_range" and call.args[2] == 0:
            self._forget(call.args[0], call.args[1])
        elif call.row.family & DUPS or (name == "fcntl" and call.args[1] in _COPIES):
            self._forget(result, result)
            self.fds["file"].append(result)
        elif name == "ioctl":
            self._note_ioctl(call)
        elif name == "pipe2" and isinstance(call.out, list):
            for fd in call.out:
                self._forget(fd, fd)
                self.fds["pipe"].append(fd)
        elif name == "shmget" and result not in self.segments:
            self.segments.append(result)
        elif name == "shmat":
            self.attached.append(result)
        elif name == "pkey_alloc":
            self.keys.append(result)
        elif name == "clone" and call.args[0] & CLONE_THREAD:
            numbers = range(1, len(self.threads) + 2)
            self.threads.append(min(set(numbers) - set(self.threads)))
        elif name in ("clone", "fork"):
            self.depth += 1
            fds = {kind: list(fds) for kind, fds in self.fds.items()}
            self._parents.append((fds, self.threads, self.unasked))
            self.threads = []
            self.unasked = []
        elif ends_process(call):
            self.depth -= 1
            if self._parents:
                self.fds, self.threads, self.unasked = self._parents.pop()
        elif name == "exit" and thread_of(call) in self.threads:
            self.threads.remove(thread_of(call))

    def by_thread(self, call: Call, number: int) -> Call:
        """Return a call as that thread makes it."""
        return Call(TID + number, call.name, call.args, call.mem, abi=call.abi)

    def shared_out(self, call: Call) -> Call:
        """Return a call as one of the threads makes it; that a process ends is the first one's."""
        if not self.threads or call.name == "exit" or self.chance(40):
            return call
        return self.by_thread(call, self.pick(self.threads))

    def _forget(self, first: int, last: int) -> None:
        """Descriptors of these numbers are closed."""
        for fds in (*self.fds.values(), self.ready, self.unasked):
            fds[:] = [fd for fd in fds if not first <= fd <= last]

    def _note_ioctl(self, call: Call) -> None:
        if call.args[1] == UFFDIO_API:
            self.ready.append(call.args[0])
            if call.args[0] in self.unasked:
                self.unasked.remove(call.args[0])
        elif call.args[1] == UFFDIO_REGISTER and call.mem is not None:
            struct = call.mem[2]
            assert isinstance(struct, dict)
            bounds = struct["range"]
            if len(self.registered) >= MAX_PLACED:
                self.registered.pop(self.below(MAX_PLACED))
            self.registered.append((call.args[0], bounds["start"], bounds["len"]))

    def _place(self, start: int, length: int) -> None:
        if len(self.placed) >= MAX_PLACED:
            self.placed.pop(self.below(len(self.placed)))
        self.placed.append((start, length))

    def in_windows(self, address: int) -> bool:
        """Return whether an address lies in one of the windows."""
        for window in self.windows:
            if window.base <= address < window.end:
                return True
        return False

    def show(self, ranges: Sequence[tuple[int, int]]) -> None:
        """These are the VMAs there are now: (start, end) in bytes, lowest first."""
        for window in self.windows:
            base, limit = window.base, window.end
            window.vmas = [
                (max(start, base), min(end, limit))
                for start, end in ranges
                if start < limit and base < end
            ]


def call(
    name: str,
    a0: int = 0,
    a1: int = 0,
    a2: int = 0,
    a3: int = 0,
    a4: int = 0,
    a5: int = 0,
    mem: dict[int, object] | None = None,
) -> Call:
    """Return a call of the stream's process.

    What points to memory in `mem` gets a stand-in's value.
    """
    args: tuple[int, ...] = (a0, a1, a2, a3, a4, a5)
    if mem is not None:
        args = tuple(POINTER_UNKNOWN | i if i in mem else arg for i, arg in enumerate(args))
    return Call(TID, name, args, mem)
