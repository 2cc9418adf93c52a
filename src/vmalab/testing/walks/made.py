# SPDX-License-Identifier: GPL-2.0-or-later
"""A call that was made, with the layout before and after it, as laws look at it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from vmalab.linux.include.mm_flags import VM_LOCKED, VM_STICKY, VM_UFFD_MASK
from vmalab.testing.cases.case import CaseCall, Setting
from vmalab.testing.cases.kinds import Kind
from vmalab.testing.cases.workbench import Bench, Region
from vmalab.testing.sweep.sweep import Pages, kind_at, pages_of_regions

# As the kernel has them where a case sets nothing; pages, and VMAs.
USUAL: Final = {"stack_guard_gap": 256, "mmap_min_addr": 0x10, "max_map_count": 65530}


@dataclass(frozen=True, slots=True)
class Made:
    """A call that was made: what was before and after it, in regions and in pages.

    failing: whether an allocation was arranged to fail.
    """

    bench: Bench
    settings: tuple[Setting, ...]
    call: CaseCall
    answer: str
    failing: bool
    before: list[Region]
    after: list[Region]
    log: list[str]
    old: Pages
    new: Pages

    @property
    def done(self) -> bool:
        """Whether it succeeded."""
        return not self.answer.startswith("-E") and self.answer != "none"

    @property
    def kind(self) -> Kind:
        """What the call's letter stands for."""
        return self.bench.kind(self.call.letter)

    def setting(self, name: str) -> int:
        """A number that the case sets, or the usual one."""
        for words in self.settings:
            if words[:2] == ("set", name):
                return int(words[2], 16 if name == "mmap_min_addr" else 10)
        return USUAL[name]

    def sets(self, *names: str) -> bool:
        """Return whether the case sets one of these."""
        return any(words[0] == "set" and words[1] in names for words in self.settings)

    def kernel(self) -> str:
        """The version that the case sets, "" for the usual one."""
        return next((words[2] for words in self.settings if words[:2] == ("set", "kernel")), "")

    def span(self) -> tuple[int, int]:
        """Return the pages that a call is about; all of a VMA that only a page of is named."""
        call = self.call
        if call.end:
            return call.start, call.end
        at = call.vma or call.page
        region = next((one for one in self.before if one.start <= at < one.end), None)
        if region is None:
            return at, at
        return min(region.start, call.page or region.start), region.end


def made(
    bench: Bench,
    settings: tuple[Setting, ...],
    call: CaseCall,
    answer: str,
    failing: bool,
    before: list[Region],
) -> Made:
    """Return a call that has just been made on a bench."""
    after = bench.regions()
    old, new = pages_of_regions(before), pages_of_regions(after)
    return Made(bench, settings, call, answer, failing, before, after, list(bench.log), old, new)


def samples(one: Made, start: int, end: int) -> Iterator[tuple[int, Kind | None, Kind | None]]:
    """Yield what pages of a range were and are, one page of each stretch that is alike."""
    borders = {
        start,
        *(border for pages in (one.old, one.new) for it in pages for border in it[:2]),
    }
    for page in sorted(borders):
        if start <= page < end:
            yield page, kind_at(one.old, page), kind_at(one.new, page)


def has_hole(pages: Pages, start: int, end: int) -> bool:
    """Return whether nothing is mapped somewhere in a range."""
    borders = {start, *(low for low, _, _ in pages), *(high for _, high, _ in pages)}
    return any(kind_at(pages, page) is None for page in borders if start <= page < end)


def plain(kind: Kind | None) -> Kind | None:
    """Return a kind without what a merge may add: anon_vmas, and flags that spread."""
    return None if kind is None else replace(kind, chain=(), flags=kind.flags & ~VM_STICKY)


def strip(kind: Kind | None, careless: bool) -> Kind | None:
    """Return a kind as it is elsewhere.

    `careless`: versions whose moves unlock, and unregister, more.
    """
    found = plain(kind)
    if found is None or not careless:
        return found
    return replace(found, flags=found.flags & ~(VM_LOCKED | VM_UFFD_MASK), uffd="")


def places(one: Made) -> list[tuple[int, int]]:
    """Return the pages that a call may change, as ranges."""
    call = one.call
    found = [one.span()]
    if call.name == "mremap":
        if "sized" in call.words:
            found.append((call.start, call.start + max(call.count, call.end - call.start)))
        else:
            found.append((call.page, call.page + call.end - call.start))
    return found
