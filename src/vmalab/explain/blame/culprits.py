# SPDX-License-Identifier: GPL-2.0-or-later
"""Who made an address space what it is: findings as plain values, summed by what caused them."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, final

from vmalab.calls.format import format_call, format_result
from vmalab.explain.blame.callsite import EMPTY, NO_STACK, Callsites, Stack, kind_of
from vmalab.explain.blame.origins import Origin, Traced, life_of
from vmalab.explain.blame.skipping import Skipping
from vmalab.explain.blame.watcher import Moment
from vmalab.linux.include.proc_maps import vm_flag_letters, vma_perms
from vmalab.recording.format.frames import Frames

SITE: Final = "site"
FUNCTION: Final = "function"
FILE: Final = "file"
MAPPING: Final = "mapping"
LIBRARY: Final = "library"
THREAD: Final = "thread"
CALL: Final = "call"
BY: Final = (SITE, FUNCTION, FILE, MAPPING, LIBRARY, THREAD, CALL)


class Deed(NamedTuple):
    """What caused something.

    line: of the log, 0 for what was there before it. tid, time: of the thread, in seconds as the
    log counts them; 0 where not known. name: the call's, or "exec", "start", "fork", "no call".
    call: as strace prints it, with its result. site: the place of the program, or the call's form.
    stack: where it was recorded.
    """

    line: int
    tid: int
    time: float
    name: str
    call: str
    site: str
    stack: Stack = EMPTY


class BlamedVma(NamedTuple):
    """One VMA. start, end: bytes.

    how: "mapped", "split" (off another) or "initial". born: who made it a VMA of its own. low,
    high: who put its start and its end where they are. changed: who changed its flags, name or
    policy last. boundary: who made the boundary to the VMA that ends where this one starts.
    """

    start: int
    end: int
    perms: str
    flags: tuple[str, ...]
    name: str
    how: str
    born: Deed
    low: Deed
    high: Deed
    changed: Deed | None
    boundary: Deed | None


class Share(NamedTuple):
    """What one cause answers for.

    vmas: how many it made. boundaries: between VMAs that touch. size: bytes of its VMAs. first,
    last: lines of the log of its first and last call among them. threads: how many made them; 0: no
    call did. example: the first of their deeds.
    """

    cause: str
    vmas: int
    boundaries: int
    size: int
    first: int
    last: int
    threads: int
    example: Deed


class LifeEvent(NamedTuple):
    """One event of a VMA's life. what: "mapped", "split", "grew", ...; start, end: after it."""

    what: str
    start: int
    end: int
    deed: Deed


class BlameReport(NamedTuple):
    """One image at one moment.

    line: the last line of the log before it. vmas: lowest first. shares: by each of `BY` that
    was asked for, the largest first. life: of the VMA that was asked for, oldest event first.
    """

    image: str
    line: int
    vmas: tuple[BlamedVma, ...]
    shares: dict[str, tuple[Share, ...]]
    life: tuple[LifeEvent, ...] = ()


def blame_report(
    moment: Moment,
    address: int | None = None,
    names: Frames | None = None,
    skipping: Skipping | None = None,
    summed_by: Sequence[str] = BY,
) -> BlameReport:
    """Return the findings of a moment.

    address: in the VMA whose life is wanted (bytes). names: of frames, as the recorder found them.
    summed_by: which of `BY` there are shares by.
    """
    deeds = _Deeds(Callsites(names or {}, skipping or Skipping()))
    vmas: list[BlamedVma] = []
    previous: Traced | None = None
    for traced in moment.vmas:
        boundary = None
        if previous is not None and previous.end == traced.start:
            later = max(previous.high, traced.low, key=_index)
            boundary = deeds.of(later)
        vmas.append(_blamed(traced, moment, deeds, boundary))
        previous = traced
    shares = {by: _shares(by, moment.vmas, vmas, deeds) for by in summed_by}
    life: tuple[LifeEvent, ...] = ()
    if address is not None:
        life = tuple(
            LifeEvent(past.what, past.span[0], past.span[1], deeds.of(past.origin))
            for traced in moment.vmas
            if traced.start <= address < traced.end
            for past in life_of(traced)
        )
    return BlameReport(moment.image, moment.line, tuple(vmas), shares, life)


def _index(origin: Origin) -> int:
    return origin.index


@final
class _Deeds:
    """Deeds by their origins, each made once; and the causes that they count for."""

    def __init__(self, sites: Callsites) -> None:
        self._sites = sites
        self._known: dict[Origin, Deed] = {}
        self._causes: dict[tuple[str, Origin], str] = {}

    def of(self, origin: Origin) -> Deed:
        """Return what a person wants to know of an origin."""
        deed = self._known.get(origin)
        if deed is None:
            deed = self._known[origin] = self._deed(origin)
        return deed

    def cause(self, by: str, origin: Origin, vma: BlamedVma) -> str:
        """Return what an origin counts for. vma: that it has made, or the start of."""
        if by == MAPPING:
            return vma.name or "(anonymous)"
        key = (by, origin)
        found = self._causes.get(key)
        if found is None:
            found = self._causes[key] = self._cause(by, origin)
        return found

    def _deed(self, origin: Origin) -> Deed:
        call = origin.call
        if call is None:
            return Deed(origin.line, 0, 0.0, origin.what, _WITHOUT[origin.what], origin.what)
        text = f"{format_call(call)} = {format_result(call.name, call.ret)}"
        site, stack = self._sites.site_of(call), self._sites.stack_of(call)
        return Deed(call.line, call.tid, call.time, call.spelling, text, site, stack)

    def _cause(self, by: str, origin: Origin) -> str:
        call = origin.call
        if call is None:
            return _WITHOUT[origin.what]
        if by == THREAD:
            return f"thread {call.tid}"
        if origin.what == "exec":
            return _OF_EXEC.get(by, "exec")
        if by == SITE:
            return self._sites.site_of(call)
        if by == CALL:
            return kind_of(call)
        frame = self._sites.stack_of(call).frame
        if frame is None:
            return NO_STACK
        if by == FUNCTION:
            return f"{frame.library}: {frame.label}" if frame.label else frame.library
        if by == FILE:
            return frame.source or f"(no source known: {frame.library})"
        return frame.library


_WITHOUT: Final = {
    "start": "(there before the log began)",
    "fork": "(copied by a fork)",
    "no call": "(no call: a fault, or another task)",
}
_OF_EXEC: Final = {SITE: "exec (the program's first map)", LIBRARY: "(kernel: exec)"}


def name_of(traced: Traced, moment: Moment) -> str:
    """Return the last column of maps."""
    if traced.file is not None:
        return f"[anon_shmem:{traced.name}]" if traced.name is not None else traced.file.path
    if traced.label:
        return traced.label
    if traced.start <= moment.start_stack <= traced.end:
        return "[stack]"
    if moment.start_brk and traced.start <= moment.start_brk < traced.end:
        return "[heap]"
    return "" if traced.name is None else f"[anon:{traced.name}]"


def _blamed(traced: Traced, moment: Moment, deeds: _Deeds, boundary: Deed | None) -> BlamedVma:
    return BlamedVma(
        traced.start,
        traced.end,
        vma_perms(traced.flags),
        vm_flag_letters(traced.flags),
        name_of(traced, moment),
        traced.how,
        deeds.of(traced.born),
        deeds.of(traced.low),
        deeds.of(traced.high),
        None if traced.last is None else deeds.of(traced.last),
        boundary,
    )


def _shares(
    by: str, traced: Iterable[Traced], vmas: list[BlamedVma], deeds: _Deeds
) -> tuple[Share, ...]:
    """Return the VMAs, and the boundaries between them, summed by cause."""
    groups: dict[str, _Group] = {}
    previous: Traced | None = None
    for known, vma in zip(traced, vmas, strict=True):
        cause = deeds.cause(by, known.born, vma)
        group = groups.setdefault(cause, _Group(cause))
        group.vmas += 1
        group.size += vma.end - vma.start
        group.add(vma.born)
        if previous is not None and vma.boundary is not None:
            cause = deeds.cause(by, max(previous.high, known.low, key=_index), vma)
            group = groups.setdefault(cause, _Group(cause))
            group.boundaries += 1
            group.add(vma.boundary)
        previous = known
    shares = [group.share() for group in groups.values()]
    shares.sort(key=lambda share: (-share.vmas, -share.boundaries, share.cause))
    return tuple(shares)


@final
class _Group:
    """A share that is being summed up."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        self.vmas = 0
        self.boundaries = 0
        self.size = 0
        self._deeds: dict[int, Deed] = {}
        self._tids: set[int] = set()

    def add(self, deed: Deed) -> None:
        """A deed that counts for it."""
        self._deeds.setdefault(deed.line, deed)
        if deed.tid:
            self._tids.add(deed.tid)

    def share(self) -> Share:
        """Return the sum."""
        first = min(self._deeds)
        return Share(
            self.cause,
            self.vmas,
            self.boundaries,
            self.size,
            first,
            max(self._deeds),
            len(self._tids),
            self._deeds[first],
        )
