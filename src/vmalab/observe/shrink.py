# SPDX-License-Identifier: GPL-2.0-or-later
"""Shrinks a list of calls at whose end model and kernel part, to few simple ones that still do so.

What is simpler, in this order: fewer calls (each one must be understood); fewer pages (pictures get
small); plainer arguments: ordinary protection and flags before rare ones, since a rare bit that
stays is a hint at the cause; lower addresses of a window, as a picture is read from the left.

Each pass proposes lists that are simpler in this sense and keeps one when it still fails in the
same way, so every accepted step goes down in a well-founded order: passes may be repeated until
none of them helps, and that ends.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.linux.include.uapi import mman as m
from vmalab.observe.finding import MAP, Difference
from vmalab.observe.source import PAGE

Run = Callable[[Sequence[Call]], Difference | None]

_RW: Final = m.PROT_READ | m.PROT_WRITE
_PLAIN_FLAGS: Final = m.MAP_PRIVATE | m.MAP_ANONYMOUS | m.MAP_FIXED
# Index of the length in pages' worth of calls whose first argument is an address.
_RANGES: Final = frozenset(
    (
        "mmap",
        "munmap",
        "mprotect",
        "madvise",
        "mlock",
        "mlock2",
        "munlock",
        "msync",
        "mincore",
        "mseal",
        "mbind",
        "pkey_mprotect",
        "remap_file_pages",
    )
)


@final
class Shrinker:
    """Holds the simplest list so far. run: carries out a list from a fresh start.

    budget: how many lists may be tried.
    """

    def __init__(self, run: Run, difference: Difference, budget: int = 3000) -> None:
        self._run = run
        self._signature = difference.signature
        self.best = difference
        self.tried = 0
        self._budget = budget

    def shrink(self) -> Difference:
        """Repeats all passes until none of them helps, or the budget is spent."""
        passes = (self._drop_calls, self._fewer_pages, self._plainer, self._lower)
        improved = True
        while improved and self.tried < self._budget:
            improved = False
            for simplify in passes:
                improved = simplify() or improved
        return self.best

    def _accept(self, calls: Sequence[Call]) -> bool:
        """Tries a list: whether it fails in the same way; then it is the best."""
        if self.tried >= self._budget:
            return False
        self.tried += 1
        found = self._run(calls)
        if found is None or found.signature != self._signature:
            return False
        self.best = found
        return True

    # Fewer calls.

    def _drop_calls(self) -> bool:
        """Leaves out stretches, long ones first, from the end (what lies near matters most)."""
        improved = False
        size = max(len(self.best.calls) // 2, 1)
        while size >= 1 and self.tried < self._budget:
            # A result differs at the last call, which must stay; a map may have differed before it.
            at = len(self.best.calls) - size - (self.best.kind != MAP)
            helped = False
            while at > -size:
                calls = self.best.calls
                first = max(at, 0)
                shorter = calls[:first] + calls[at + size :]
                if 0 < len(shorter) < len(calls) and self._accept(shorter):
                    helped = improved = True
                elif size == 1 and (self._without_descriptor(first) or self._without_child(first)):
                    helped = improved = True
                at -= size
            if size == 1 and not helped:
                break
            if not helped or size > len(self.best.calls) // 2:
                size = size // 2 if size > 1 else (1 if helped else 0)
        return improved

    def _without_descriptor(self, index: int) -> bool:
        """Leaves out a call that makes a descriptor; those made later have a lower number then."""
        calls = self.best.calls
        fd = _descriptor(calls, index)
        if fd < 0:
            return False
        rest = [_renumbered(call, fd) for call in calls[index + 1 :]]
        return self._accept((*calls[:index], *rest))

    def _without_child(self, index: int) -> bool:
        """Leaves out a fork: with all that its child does, or with its exit alone."""
        calls = self.best.calls
        if calls[index].name not in ("clone", "fork"):
            return False
        depth = 1
        end = index + 1
        while end < len(calls) and depth:
            depth += (calls[end].name in ("clone", "fork")) - (calls[end].name == "exit")
            end += 1
        if depth:
            return False
        return self._accept(calls[:index] + calls[end:]) or self._accept(
            calls[:index] + calls[index + 1 : end - 1] + calls[end:]
        )

    # Simpler calls.

    def _each(self, variants: Callable[[Call], Iterator[Call]]) -> bool:
        """Tries the variants of each call, the last call's too, in turn."""
        improved = False
        index = 0
        while index < len(self.best.calls):
            for variant in variants(self.best.calls[index]):
                if index >= len(self.best.calls):
                    break
                calls = self.best.calls
                if self._accept((*calls[:index], variant, *calls[index + 1 :])):
                    improved = True
                    break
            index += 1
        return improved

    def _fewer_pages(self) -> bool:
        return self._each(_shorter)

    def _plainer(self) -> bool:
        return self._each(_plainer)

    def _lower(self) -> bool:
        """Moves all of a window's addresses so that the lowest is its first page."""
        calls = self.best.calls
        improved = False
        bases = {call.args[0] & ~0xFFFFFFF for call in calls if call.name in _RANGES}
        for base in sorted(bases):
            used = [a for call in self.best.calls for a in _addresses(call) if _near(a, base)]
            shift = min(used, default=base) - base
            if shift and base and self._accept([_moved(call, base, shift) for call in calls]):
                improved = True
                calls = self.best.calls
        return improved


_MAKERS: Final = ("openat", "memfd_create", "userfaultfd", "dup")
# Which argument is a descriptor.
_FD_ARGUMENT: Final = {
    "mmap": 4,
    "close": 0,
    "ftruncate": 0,
    "fallocate": 0,
    "fcntl": 0,
    "ioctl": 0,
    "dup": 0,
}


def _descriptor(calls: Sequence[Call], index: int) -> int:
    """The number that the call at `index` gets if all such calls succeed; -1 when it makes none."""
    if calls[index].name not in _MAKERS:
        return -1
    taken: set[int] = set()
    fd = -1
    for call in calls[: index + 1]:
        if call.name in _MAKERS:
            fd = 3
            while fd in taken:
                fd += 1
            taken.add(fd)
        elif call.name == "close":
            taken.discard(call.args[0])
    return fd


def _renumbered(call: Call, gone: int) -> Call:
    """A call whose descriptor, if it has a higher one than `gone`, is lower by one."""
    place = _FD_ARGUMENT.get(call.name)
    if place is None or not gone < call.args[place] < 200:
        return call
    return _with(call, place, call.args[place] - 1)


def _with(call: Call, index: int, value: int) -> Call:
    args = (*call.args[:index], value, *call.args[index + 1 :])
    return Call(call.tid, call.name, args, call.mem)


def _shorter(call: Call) -> Iterator[Call]:
    """The same with fewer pages, from either side."""
    if call.name in _RANGES:
        start, length = call.args[0], call.args[1]
        if length > PAGE:
            yield _with(call, 1, PAGE)
            yield _with(call, 1, (length // 2 + PAGE - 1) & -PAGE)
            yield _with(call, 1, (length - 1) & -PAGE)
            if start:
                yield _with(_with(call, 0, start + PAGE), 1, length - PAGE)
    elif call.name == "ioctl":
        yield from _shorter_struct(call)
    elif call.name == "mremap":
        old, new = call.args[1], call.args[2]
        if old == new and old > PAGE:
            yield _with(_with(call, 1, PAGE), 2, PAGE)
            yield _with(_with(call, 1, old - PAGE), 2, old - PAGE)
        if new > PAGE:
            yield _with(call, 2, new - PAGE)


# Where ranges of a structure begin.
_STARTS: Final = ("start", "dst", "src")


def _shorter_struct(call: Call) -> Iterator[Call]:
    """An ioctl with a range of a page, or a page less."""
    struct = None if call.mem is None else call.mem.get(2)
    if not isinstance(struct, dict):
        return
    inner = struct.get("range", struct)
    length = inner.get("len") if isinstance(inner, dict) else None
    if not isinstance(length, int) or length <= PAGE:
        return
    half = (length // 2) & -PAGE
    parts = ((half, length - half), (0, PAGE), (0, length - PAGE), (PAGE, length - PAGE))
    for skipped, shorter in parts:
        bounds = {**inner, "len": shorter}
        for key in _STARTS:
            if key in inner:
                bounds[key] = inner[key] + skipped
        new = {**struct, "range": bounds} if "range" in struct else bounds
        yield Call(call.tid, call.name, call.args, {2: new})


def _plainer(call: Call) -> Iterator[Call]:
    """The same with ordinary arguments in the place of rare ones."""
    args = call.args
    if call.name == "mmap":
        if args[3] & m.MAP_FIXED and args[3] != _PLAIN_FLAGS:
            plain = _with(_with(_with(call, 3, _PLAIN_FLAGS), 4, (1 << 64) - 1), 5, 0)
            yield plain
            for bit in (m.MAP_NORESERVE, m.MAP_STACK, m.MAP_POPULATE, m.MAP_GROWSDOWN):
                if args[3] & bit:
                    yield _with(call, 3, args[3] & ~bit)
        if args[2] != _RW:
            yield _with(call, 2, _RW)
        if args[5]:
            yield _with(call, 5, 0)
    elif call.name == "mprotect" and args[2] not in (m.PROT_READ, _RW):
        yield _with(call, 2, m.PROT_READ)
        yield _with(call, 2, _RW)
    elif call.name == "madvise" and args[2] not in (m.MADV_DONTDUMP, m.MADV_POPULATE_WRITE):
        yield _with(call, 2, m.MADV_DONTDUMP)
    elif call.name == "mremap" and args[3] & m.MREMAP_DONTUNMAP:
        yield _with(call, 3, args[3] & ~m.MREMAP_DONTUNMAP)
    elif call.name == "mlock2":
        yield Call(call.tid, "mlock", (args[0], args[1], 0, 0, 0, 0))


def _addresses(call: Call) -> tuple[int, ...]:
    if call.name == "mremap":
        return (call.args[0], call.args[4])
    return (call.args[0],) if call.name in _RANGES else ()


def _near(address: int, base: int) -> bool:
    return base <= address < base + 0x10000000


def _moved(call: Call, base: int, shift: int) -> Call:
    """A call with the addresses near `base` lower by `shift` bytes."""
    for index in (0, 4) if call.name == "mremap" else (0,):
        if call.name in _RANGES or call.name == "mremap":
            if _near(call.args[index], base):
                call = _with(call, index, call.args[index] - shift)
    mem = call.mem
    if call.name == "ioctl" and mem is not None and isinstance(mem.get(2), dict):
        call = Call(call.tid, call.name, call.args, {2: _moved_struct(mem[2], base, shift)})
    return call


def _moved_struct(value: object, base: int, shift: int) -> object:
    if not isinstance(value, dict):
        return value
    moved: dict[object, object] = {}
    for key, item in value.items():
        if key in _STARTS and isinstance(item, int) and _near(item, base):
            moved[key] = item - shift
        else:
            moved[key] = _moved_struct(item, base, shift)
    return moved


def shrink(run: Run, difference: Difference, budget: int = 3000) -> Difference:
    """The simplest list found that fails in the same way. run: a list from a fresh start."""
    return Shrinker(run, difference, budget).shrink()
