# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks that refuse calls with figures: what each looks at, and what would have let it pass.

Which check it was, and its figures, come from the engine (`mm/refusal`); this adds words to them.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from vmalab.calls.call import Call
from vmalab.calls.table import CHANGES_RANGE
from vmalab.linux.include.page import LONG_MAX, PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from vmalab.linux.mm import refusal as checks
from vmalab.linux.mm.refusal import Refusal
from vmalab.linux.mm.vma.unmapped_area import vm_start_gap
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import Vmi, vma_lookup

VMAS: Final = "VMAs"
PAGES: Final = "pages"
BYTES: Final = "bytes"
EVENTS: Final = "events"


class Check(NamedTuple):
    """One check of the engine.

    key: its name in findings. unit: of its figures, "" when it has none.
    """

    key: str
    unit: str


CHECKS: Final[dict[int, Check]] = {
    checks.REFUSED_MAP_COUNT: Check("map count", VMAS),
    checks.REFUSED_AS: Check("RLIMIT_AS", PAGES),
    checks.REFUSED_DATA: Check("RLIMIT_DATA", PAGES),
    checks.REFUSED_MEMLOCK: Check("RLIMIT_MEMLOCK", PAGES),
    checks.REFUSED_STACK: Check("RLIMIT_STACK", BYTES),
    checks.REFUSED_BRK: Check("RLIMIT_DATA", BYTES),
    checks.REFUSED_COMMIT: Check("commit limit", PAGES),
    checks.REFUSED_GUESS: Check("overcommit guess", PAGES),
    checks.REFUSED_GAP: Check("no gap", BYTES),
    checks.REFUSED_RANGE: Check("address range", BYTES),
    checks.REFUSED_HOLE: Check("hole", ""),
    checks.REFUSED_OCCUPIED: Check("occupied", ""),
    checks.REFUSED_MIN_ADDR: Check("vm.mmap_min_addr", BYTES),
    checks.REFUSED_SEAL: Check("seal", ""),
    checks.REFUSED_MDWE: Check("MDWE", ""),
    checks.REFUSED_STACK_GAP: Check("stack guard gap", ""),
    checks.REFUSED_HUGE_PAGES: Check("huge page pool", ""),
    checks.REFUSED_FAULT: Check("page fault", ""),
    checks.REFUSED_LENGTH: Check("length", ""),
    checks.REFUSED_AIO: Check("fs.aio-max-nr", EVENTS),
}


class LimitVerdict(NamedTuple):
    """What a check said, in words and figures.

    why: what it looked at; remedy: the smallest change with which it alone would have passed.
    needed: what the limit would have to be, or, of a request that is too long, how long it is;
    limit: what it is. Both in `unit`, None without figures.
    """

    check: str
    why: str
    remedy: str
    unit: str = ""
    needed: int | None = None
    limit: int | None = None

    @property
    def over(self) -> int | None:
        """How far beyond the limit it was, in `unit`."""
        if self.needed is None or self.limit is None:
            return None
        return abs(self.needed - self.limit)


def size_text(number: int) -> str:
    """Return bytes for people: "1.5 GiB", "12 KiB", "100 bytes"."""
    value = float(number)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        if abs(value) < 1024 or unit == "EiB":
            break
        value /= 1024
    return f"{number} bytes" if unit == "bytes" else f"{value:.4g} {unit}"


def largest_gap(mm: Mm, low: int, high: int) -> tuple[int, int]:
    """Return the longest range in [low, high) that the search may use: (start, length) in bytes.

    A stack's guard gap does not count as free, nor what lies below vm.mmap_min_addr.
    """
    config = mm.config
    position = low = max(low, config.mmap_min_addr)
    best = (low, 0)
    vmi = Vmi(mm, low)
    vma = vmi.find(high)
    while vma is not None:
        length = min(vm_start_gap(vma, config.stack_guard_gap), high) - position
        if length > best[1]:
            best = (position, length)
        position = max(position, vma.vm_end)
        vma = vmi.find(high)
    return (position, high - position) if high - position > best[1] else best


def searched_gap(mm: Mm, refusal: Refusal) -> tuple[int, int]:
    """The longest range in which the search that failed may put anything: (start, length)."""
    gaps = [largest_gap(mm, low, high) for low, high in searched_ranges(mm, refusal)]
    return max(gaps, key=lambda gap: gap[1])


def searched_ranges(mm: Mm, refusal: Refusal) -> list[tuple[int, int]]:
    """Return where the search that failed has looked, [low, high) in bytes, in its order."""
    last = (int(refusal.low), int(refusal.high))
    if mm.topdown and refusal.low == mm.mmap_legacy_base:
        # It looked below the stack before it looked from the bottom up.
        return [(max(PAGE_SIZE, mm.config.mmap_min_addr), int(mm.mmap_base)), last]
    return [last]


def is_noted(refusal: Refusal, call: Call, errno: int) -> bool:
    """Return whether what refused a call is noted; brk, which answers no errno, has any note."""
    if refusal.check == checks.REFUSED_BY_NOTHING:
        return False
    return call.name == "brk" or refusal.errno == errno


def verdict_of(
    mm: Mm, refusal: Refusal, check: Check, call: Call, searching: bool = True
) -> LimitVerdict:
    """Return a refusal of a call in words.

    searching: whether to look for the longest gap, which may take long.
    """
    needed, limit = refusal.needed, refusal.limit
    if refusal.check == checks.REFUSED_MAP_COUNT:
        needed += second_split(mm, refusal, call)
        why, remedy = _map_count(mm, needed, limit)
    elif refusal.check == checks.REFUSED_GAP:
        start, limit = searched_gap(mm, refusal) if searching else (0, -1)
        why, remedy = _gap(mm, refusal, start, limit)
    else:
        why, remedy = _WORDS[refusal.check](mm, refusal)
    if check.unit == "":
        return LimitVerdict(check.key, why, remedy)
    known = limit >= 0 and needed < LONG_MAX
    return LimitVerdict(
        check.key, why, remedy, check.unit, needed if known else None, limit if limit >= 0 else None
    )


def second_split(mm: Mm, refusal: Refusal, call: Call) -> int:
    """1 where a call that was refused its first split takes a second one of the same VMA, else 0.

    Cutting a range out of the middle of a VMA, to give it another property, makes two VMAs more.
    """
    at = call.range_at
    if at < 0 or not call.row.family & CHANGES_RANGE or refusal.needed != mm.map_count + 1:
        return 0
    start, length = call.args[at : at + 2]
    end = (start + length + PAGE_SIZE - 1) & PAGE_MASK
    vma = vma_lookup(mm, start & PAGE_MASK) if start < mm.task_size else None
    return int(vma is not None and vma.vm_start < start & PAGE_MASK and end < vma.vm_end)


Words = tuple[str, str]


def _map_count(mm: Mm, needed: int, limit: int) -> Words:
    return (
        f"{mm.map_count} VMAs; the call needs a vm.max_map_count of at least {needed}, "
        f"it is {limit}",
        f"sysctl vm.max_map_count={needed}, or {_vmas(needed - limit)} fewer",
    )


def _vmas(number: int) -> str:
    return "1 VMA" if number == 1 else f"{number} VMAs"


def _rlimit(name: str, now: str, option: str) -> Callable[[Mm, Refusal], Words]:
    def words(mm: Mm, refusal: Refusal) -> Words:
        needed, limit = refusal.needed << PAGE_SHIFT, refusal.limit << PAGE_SHIFT
        return (
            f"{now} would be {size_text(needed)}, {name} is {size_text(limit)}",
            f"{name} of {needed} bytes (ulimit {option} {needed >> 10})",
        )

    return words


def _stack(mm: Mm, refusal: Refusal) -> Words:
    return (
        f"the stack would be {size_text(refusal.needed)}, RLIMIT_STACK is "
        f"{size_text(refusal.limit)}",
        f"RLIMIT_STACK of {refusal.needed} bytes (ulimit -s {refusal.needed >> 10})",
    )


def _brk(mm: Mm, refusal: Refusal) -> Words:
    return (
        f"heap and initialised data would be {size_text(refusal.needed)}, RLIMIT_DATA is "
        f"{size_text(refusal.limit)}",
        f"RLIMIT_DATA of {refusal.needed} bytes (ulimit -d {(refusal.needed + 1023) >> 10})",
    )


def _commit(mm: Mm, refusal: Refusal) -> Words:
    needed = refusal.needed << 2
    return (
        "vm.overcommit_memory is 2, and what all processes may write to would exceed CommitLimit "
        f"less its reserves by {size_text((refusal.needed - refusal.limit) << PAGE_SHIFT)}",
        f"a CommitLimit of {needed} kB (vm.overcommit_kbytes, swap), or vm.overcommit_memory=0",
    )


def _guess(mm: Mm, refusal: Refusal) -> Words:
    return (
        f"one request of {size_text(refusal.needed << PAGE_SHIFT)} is more than all RAM and swap, "
        f"{size_text(refusal.limit << PAGE_SHIFT)}",
        "MAP_NORESERVE, vm.overcommit_memory=1, or a shorter mapping",
    )


def _gap(mm: Mm, refusal: Refusal, start: int, length: int) -> Words:
    places = [f"between {low:#x} and {high:#x}" for low, high in searched_ranges(mm, refusal)]
    why = f"no free range of {size_text(refusal.needed)} {' or '.join(places)}"
    if length < 0:
        return why, "a shorter length"
    return (
        f"{why}; the longest free range is {size_text(length)}, at {start:#x}",
        f"a length of at most {length} bytes",
    )


def _range(mm: Mm, refusal: Refusal) -> Words:
    return (
        f"the range would end beyond the address space, which ends at {refusal.limit:#x}",
        f"an end of at most {refusal.limit:#x}",
    )


def _hole(mm: Mm, refusal: Refusal) -> Words:
    return (
        f"nothing is mapped at {refusal.at:#x}, inside the range",
        f"a range without holes: something mapped at {refusal.at:#x}",
    )


def _occupied(mm: Mm, refusal: Refusal) -> Words:
    return (
        f"what is mapped at {refusal.at:#x} is in the way",
        f"another address, or nothing mapped at {refusal.at:#x}",
    )


def _min_addr(mm: Mm, refusal: Refusal) -> Words:
    return (
        f"{refusal.needed:#x} is below vm.mmap_min_addr, {refusal.limit:#x}",
        f"an address of {refusal.limit:#x} or more, or CAP_SYS_RAWIO",
    )


def _seal(mm: Mm, refusal: Refusal) -> Words:
    return (
        f"the mapping at {refusal.at:#x} is sealed",
        "no change of sealed memory: a seal cannot be undone",
    )


def _mdwe(mm: Mm, refusal: Refusal) -> Words:
    return (
        "PR_SET_MDWE forbids memory that is writable and executable, or becomes executable",
        "write under one mapping and execute another of the same file",
    )


def _stack_gap(mm: Mm, refusal: Refusal) -> Words:
    gap = mm.config.stack_guard_gap
    return (
        f"the stack would grow to within {size_text(gap)} of the mapping at {refusal.at:#x}",
        f"nothing mapped at {refusal.at:#x}",
    )


def _huge_pages(mm: Mm, refusal: Refusal) -> Words:
    return (
        "the pool of huge pages has not that many left",
        "more vm.nr_hugepages or vm.nr_overcommit_hugepages",
    )


def _fault(mm: Mm, refusal: Refusal) -> Words:
    return (
        f"pages of the range from {refusal.at:#x} on cannot be read in: no permission, a guard, or "
        "beyond the end of a file",
        "a range that can be accessed",
    )


def _length(mm: Mm, refusal: Refusal) -> Words:
    return ("the length wraps around when it is rounded up to pages", "a shorter length")


def _aio(mm: Mm, refusal: Refusal) -> Words:
    return (
        f"all contexts together would have {refusal.needed} events, fs.aio-max-nr is "
        f"{refusal.limit}",
        f"sysctl fs.aio-max-nr={refusal.needed}",
    )


_WORDS: Final[dict[int, Callable[[Mm, Refusal], Words]]] = {
    checks.REFUSED_AS: _rlimit("RLIMIT_AS", "the address space", "-v"),
    checks.REFUSED_DATA: _rlimit("RLIMIT_DATA", "private writable memory", "-d"),
    checks.REFUSED_MEMLOCK: _rlimit("RLIMIT_MEMLOCK", "locked memory", "-l"),
    checks.REFUSED_STACK: _stack,
    checks.REFUSED_BRK: _brk,
    checks.REFUSED_COMMIT: _commit,
    checks.REFUSED_GUESS: _guess,
    checks.REFUSED_RANGE: _range,
    checks.REFUSED_HOLE: _hole,
    checks.REFUSED_OCCUPIED: _occupied,
    checks.REFUSED_MIN_ADDR: _min_addr,
    checks.REFUSED_SEAL: _seal,
    checks.REFUSED_MDWE: _mdwe,
    checks.REFUSED_STACK_GAP: _stack_gap,
    checks.REFUSED_HUGE_PAGES: _huge_pages,
    checks.REFUSED_FAULT: _fault,
    checks.REFUSED_LENGTH: _length,
    checks.REFUSED_AIO: _aio,
}
