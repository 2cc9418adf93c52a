# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes of a program that would have made fewer VMAs, each tried on the recording.

Which changes could help follows from the kinds of calls that made the VMAs. Each is carried out by
a what-if; one that makes calls fail, or has next to no effect, is none.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from vmalab.explain.blame.culprits import Share
from vmalab.explain.whatif.changes import Changes, Pattern
from vmalab.explain.whatif.comparison import ImageOutcome, what_if
from vmalab.explain.why.barriers import ANON_VMA, FLAGS, FORK_CHAIN
from vmalab.explain.why.boundaries import explain
from vmalab.explain.why.moment import END, take
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options

# Memory calls of a recording up to which so many changes are tried, beyond which one is, and beyond
# which none is.
FEW_CALLS: Final = 30_000
MAX_CALLS: Final = 150_000
MAX_TRIED: Final = 3
# A kind of calls counts when it made one VMA, or boundary, in so many; a cure when it saves one.
_PART: Final = 10


@dataclass(frozen=True, slots=True)
class Cure:
    """A change and its effect.

    advice: what to do. options: of `vmalab whatif`, "" where no what-if can show it: then the
    figures are counted by the conditions for merging. peak, other_peak: the most VMAs as recorded
    and with the change; end, other_end: those at the image's end.
    """

    advice: str
    options: str
    peak: int
    other_peak: int
    end: int
    other_end: int

    @property
    def saves(self) -> int:
        """VMAs fewer, at the peak or at the end, whichever are more."""
        return max(self.peak - self.other_peak, self.end - self.other_end)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change to try when calls of some kinds made VMAs.

    kinds: how those begin. options: of `vmalab whatif`.
    """

    kinds: tuple[str, ...]
    advice: str
    options: str
    changes: Callable[[], Changes]


def _drop(*patterns: Pattern) -> Callable[[], Changes]:
    return lambda: Changes(drops=patterns)


def _advice(*names: str) -> tuple[tuple[str, ...], str, Callable[[], Changes]]:
    """Return kinds, options and changes for madvise with one of some words."""
    kinds = tuple(f"madvise({name}" for name in names)
    options = " ".join(f"--drop 'madvise({name})'" for name in names)
    return kinds, options, _drop(*(Pattern("madvise", (name,)) for name in names))


def _flag_change(text: str, *names: str) -> _Change:
    kinds, options, changes = _advice(*names)
    return _Change(kinds, text, options, changes)


_CHANGES: Final = (
    _Change(
        ("mprotect", "mmap"),
        "Make guard pages by madvise(MADV_GUARD_INSTALL), which takes no VMA (Linux 6.13)",
        "--guard-regions",
        lambda: Changes(guards=True),
    ),
    _flag_change(
        "Ask for huge pages by madvise(MADV_COLLAPSE), which leaves no flag behind, or give the "
        "whole heap the same advice",
        "MADV_NOHUGEPAGE",
        "MADV_HUGEPAGE",
    ),
    _flag_change(
        "Give the advice to whole mappings, or not at all", "MADV_DONTDUMP", "MADV_DODUMP"
    ),
    _flag_change(
        "Give the advice to whole mappings, or not at all", "MADV_DONTFORK", "MADV_DOFORK"
    ),
    _flag_change(
        "Give the advice to whole mappings, or not at all", "MADV_WIPEONFORK", "MADV_KEEPONFORK"
    ),
    _flag_change(
        "Give the advice to whole mappings, or not at all",
        "MADV_SEQUENTIAL",
        "MADV_RANDOM",
        "MADV_NORMAL",
    ),
    _flag_change("Merge pages of whole mappings, or of none", "MADV_MERGEABLE"),
    _Change(
        ("prctl(PR_SET_VMA",),
        "Give neighbouring anonymous memory the same name, or none",
        "--no-names",
        lambda: Changes(no_names=True),
    ),
    _Change(
        ("munmap",),
        "Keep the addresses of freed memory, and give back its pages alone: madvise(MADV_DONTNEED) "
        "or MADV_FREE (jemalloc: retain:true)",
        "--drop munmap",
        _drop(Pattern("munmap")),
    ),
    _Change(
        ("mremap",),
        "Copy instead of moving by mremap: a piece that was moved keeps its page offset, and "
        "merges with nothing",
        "--drop mremap",
        _drop(Pattern("mremap")),
    ),
    _Change(
        ("mlock", "munlock"),
        "Lock whole mappings, or all at once (mlockall)",
        "--drop mlock --drop mlock2 --drop munlock",
        _drop(Pattern("mlock"), Pattern("mlock2"), Pattern("munlock")),
    ),
    _Change(
        ("mbind",),
        "Set the NUMA policy of whole mappings, or of the thread",
        "--drop mbind",
        _drop(Pattern("mbind")),
    ),
)
_COUNTED: Final = {
    FORK_CHAIN: "Take neighbouring memory into use on one side of the fork: all before it, or all "
    "in the child",
    FLAGS: "Take neighbouring memory into use one piece after the other: the pieces differ only in "
    "permissions or flags",
    ANON_VMA: "Write to memory before it is split, or to neighbouring pieces one after the other",
}


def cures_of(
    recording: RecordingFiles,
    options: Options,
    image: str,
    shares: Iterable[Share],
    calls: int,
) -> list[Cure]:
    """Return what would help an image, the most effective first.

    shares: what made its VMAs, by kind of call. calls: memory calls of the recording; none is tried
    where they are too many.
    """
    if calls > MAX_CALLS:
        return []
    shares = list(shares)
    whole = max(sum(share.vmas for share in shares), 1)
    found = []
    for change in _to_try(shares, whole)[: MAX_TRIED if calls <= FEW_CALLS else 1]:
        outcome, fails = _tried(recording, options, image, change.changes())
        if outcome is None or fails:
            continue
        cure = Cure(
            change.advice,
            change.options,
            outcome.recorded.peak,
            outcome.other.peak,
            outcome.recorded.vmas_at_end,
            outcome.other.vmas_at_end,
        )
        if cure.saves * _PART >= whole:
            found.append(cure)
    if not found:
        found = _counted(recording, options, image)
    return sorted(found, key=lambda cure: -cure.saves)


def _to_try(shares: list[Share], whole: int) -> list[_Change]:
    """Return the changes of calls that made many VMAs or boundaries, those of the most first."""
    weights = []
    for change in _CHANGES:
        made = sum(
            max(share.vmas, share.boundaries)
            for share in shares
            if share.cause.startswith(change.kinds)
        )
        if made * _PART >= whole:
            weights.append((made, change))
    weights.sort(key=lambda pair: -pair[0])
    return [change for _, change in weights]


def _tried(
    recording: RecordingFiles, options: Options, image: str, changes: Changes
) -> tuple[ImageOutcome | None, int]:
    """Return what becomes of an image with changes, and how many calls fail then."""
    found, _ = what_if(recording, changes, options._replace(observers=()))
    return next((one for one in found.images if one.name == image), None), found.fails


def _counted(recording: RecordingFiles, options: Options, image: str) -> list[Cure]:
    """Return what the conditions for merging say of the image at its end, where no call did it."""
    taken, _ = take(recording, options._replace(observers=()), END, image)
    why = explain(taken.layout)
    found = []
    for total in why.kinds:
        advice = _COUNTED.get(total.kind)
        if advice is not None and total.saves * _PART >= why.vmas:
            left = why.vmas - total.saves
            found.append(Cure(advice, "", why.vmas, left, why.vmas, left))
    return found[:1]
