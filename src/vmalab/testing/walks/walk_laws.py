# SPDX-License-Identifier: GPL-2.0-or-later
"""What one call may do to a layout: laws that need no second kernel to compare with.

Each law looks at the layout before and after a call, at its answer and at what owners were told,
and answers with sentences.  The laws are of the man pages and of the kernel's documentation, not
of this engine: what the case set, not what the configuration says, is what limits are taken from.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from vmalab.calls.table import CALLS, CHANGES_RANGE
from vmalab.linux.include.mm_flags import (
    VM_ACCESS_FLAGS,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_MAYBE_GUARD,
    VM_READ,
    VM_SHADOW_STACK,
    VM_SOFTDIRTY,
    VM_SPECIAL,
    VM_STICKY,
)
from vmalab.testing.cases.case import CaseCall
from vmalab.testing.cases.kinds import Kind
from vmalab.testing.cases.operations import ERRNO_NAMES
from vmalab.testing.cases.workbench import Bench, Region
from vmalab.testing.seams.checking import CheckingInternal
from vmalab.testing.sweep.sweep import kind_at
from vmalab.testing.walks.made import Made, has_hole, places, plain, samples, strip

# Calls that change properties of what is mapped, and map or unmap nothing.
KEEPING: Final = tuple([name for name, row in CALLS.items() if row.family & CHANGES_RANGE])
MODIFIES: Final = (
    "vma_modify_flags",
    "vma_modify_name",
    "vma_modify_policy",
    "vma_modify_flags_uffd",
)
UNMAPS: Final = ("munmap", "do_vmi_munmap")
MAPS: Final = ("mmap", "mmap_region")
# Advice that destroys contents, which a seal forbids.
DESTROYS: Final = ("dontneed", "free", "guard_install", "remove", "wipeonfork", "dontfork")
# An anon_vma that was made on the way, and is not to be told from others.
UNNAMED: Final = "a?"
# Settings that let a call fail for other reasons than the layout, that of the count first.
LIMITS: Final = ("max_map_count", "overcommit", "rlimit_memlock", "rlimit_as", "rlimit_data")
# Versions that keep the books of MREMAP_DONTUNMAP, and let a move do with room for four VMAs.
EXACT_MOVES: Final = ("7.2", "7.3")


def complaints(one: Made) -> list[str]:
    """Every way in which a call was not lawful."""
    return [f"{one.call.text}: {said}" for law in LAWS for said in law(one)]


def unnoted(bench: Bench, call: CaseCall, answer: str) -> list[str]:
    """Complain about a call that failed without the note of what refused it.

    A hook of one's own need not say why it refuses.
    """
    noted = bench.mm.refusal.errno
    if type(bench.seam) is not CheckingInternal or f"-{ERRNO_NAMES.get(noted)}" == answer:
        return []
    return [f"{call.text} answers {answer} and notes {noted}: no check said so"]


def elsewhere_nothing_changes(one: Made) -> Iterator[str]:
    """What a call is not about stays as it was, file and offset included."""
    if one.call.name == "vm_unmapped_area":
        return
    allowed = places(one)
    careless = one.call.name == "mremap" and one.kernel() != "7.3"
    for page, was, now in samples(one, 0, 1 << 40):
        inside = any(start <= page < end for start, end in allowed)
        if not inside and strip(was, careless) != strip(now, careless):
            texts = [kind.text() if kind is not None else "a hole" for kind in (was, now)]
            yield f"page {page:x}, which it is not about, was {texts[0]}, is {texts[1]}"
            return


def properties_are_not_places(one: Made) -> Iterator[str]:
    """Who changes properties of a range moves no file's pages, and maps and unmaps nothing."""
    if one.call.name not in (*KEEPING, *MODIFIES):
        return
    for page, was, now in samples(one, *one.span()):
        if (was is None) != (now is None):
            yield f"page {page:x} came or went"
        elif was is not None and now is not None:
            if (was.file, was.pgoff) != (now.file, now.pgoff):
                yield f"page {page:x} is of another page of the file"


def success_is_what_was_asked(one: Made) -> Iterator[str]:
    """After success every page of the range is as was asked."""
    call = one.call
    if not one.done:
        return
    for page, _, now in samples(one, *one.span()):
        wrong = ""
        if call.name in UNMAPS:
            wrong = "is still mapped" if now is not None else ""
        elif call.name == "mprotect" and now is not None:
            same = now.flags & VM_ACCESS_FLAGS == one.kind.flags & VM_ACCESS_FLAGS
            wrong = "" if same else "has other permissions"
        elif call.name == "mlock" and now is not None and not now.flags & VM_SPECIAL:
            wrong = "" if now.flags & VM_LOCKED else "is not locked"
        elif call.name == "vma_modify_flags" and now is not None:
            same = (now.flags ^ one.kind.flags) & ~VM_STICKY == 0
            wrong = "" if same else "has other flags"
        elif call.name in MAPS:
            wrong = "is not mapped" if now is None or now.file != one.kind.file else ""
        if wrong:
            yield f"it answers {one.answer}, and page {page:x} {wrong}"
            return


def mappings_are_where_the_answer_says(one: Made) -> Iterator[str]:
    """mmap answers the start of what it mapped, not of what that became part of."""
    if one.call.name in MAPS and one.done and int(one.answer, 16) != one.call.start:
        yield f"it answers {one.answer}"


def holes_are_errors(one: Made) -> Iterator[str]:
    """A range with a hole cannot be protected, locked or advised; one without gives no ENOMEM."""
    if one.call.name not in KEEPING:
        return
    hole = has_hole(one.old, *one.span())
    if hole and one.done:
        yield "it answers 0, and something in its range is not mapped"
    limited = one.failing or one.sets(*LIMITS)
    if one.call.name in ("mlock", "munlock") and one.answer == "-ENOMEM":
        populated = all(
            was is not None
            and was.flags & (VM_READ | VM_MAYBE_GUARD) == VM_READ
            and not was.ops
            and not was.uffd
            for _, was, _ in samples(one, *one.span())
        )
        if not hole and not limited and populated:
            yield "it answers ENOMEM, and its range has no hole"


def errors_have_a_reason(one: Made) -> Iterator[str]:
    """Near vm.max_map_count a call fails only where it would make one VMA too many."""
    call, limit = one.call, one.setting("max_map_count")
    count = len(one.before)
    if one.answer != "-ENOMEM" or one.failing or one.sets("overcommit", "rlimit_memlock"):
        return
    if call.name in UNMAPS:
        cut = any(it.start < call.start and call.end < it.end for it in one.before)
        if not (cut and count >= limit):
            yield "it answers ENOMEM, and would make no VMA too many"
    if call.name == "do_brk_flags" and count <= limit:
        yield "it answers ENOMEM, and one VMA more is always let through"
    if call.name == "mremap" and "sized" not in call.words and one.kernel() in EXACT_MOVES:
        room = 5 if "dontunmap" in call.words else 4
        if count + room <= limit:
            yield f"it answers ENOMEM, and {room} further VMAs may be made"


def searches_keep_the_gap(one: Made) -> Iterator[str]:
    """A free range, or a stack that grows, leaves the guard gap below a stack."""
    call, gap = one.call, one.setting("stack_guard_gap")
    if call.name == "vm_unmapped_area" and one.done and call.words.keys() <= {"highest", "lowest"}:
        end = int(one.answer, 16) + call.count
        above = next((region for region in one.before if region.start >= end), None)
        if above is not None and above.kind.flags & VM_GROWSDOWN and above.start - gap < end:
            yield f"it answers {one.answer}, in the guard gap below {above.start:x}"
    if call.name == "expand_downwards" and one.done:
        if call.page < one.setting("mmap_min_addr"):
            yield "the stack has grown below the lowest page that may be mapped"
        for region in one.before:
            if region.end <= call.page < region.end + gap and call.page < one.span()[1]:
                flags = region.kind.flags
                if flags & VM_ACCESS_FLAGS and not flags & VM_GROWSDOWN:
                    yield f"the stack has grown to within its gap of {region.end:x}"


def searches_find_room(one: Made) -> Iterator[str]:
    """A search takes the first hole from its side that fits, but for those below a stack.

    From above, a hole that fits below a stack ends the search of all that its guard gap covers.
    """
    call = one.call
    if call.name != "vm_unmapped_area" or not call.words.keys() <= {"highest", "lowest"}:
        return
    low, limit = max(call.start, one.setting("mmap_min_addr")), call.end
    lowest = "lowest" in call.words
    rooms = list(holes(one.before, low, limit))
    for start, end, above in rooms if lowest else reversed(rooms):
        if min(end, limit) - start < call.count:
            continue
        if above is not None and above.kind.flags & (VM_GROWSDOWN | VM_SHADOW_STACK):
            if not lowest:
                limit = min(limit, above.start - one.setting("stack_guard_gap"))
            continue
        best = start if lowest else min(end, limit) - call.count
        answer = int(one.answer, 16) if one.done else -1
        if answer < 0 or (answer != best and (answer > best) == lowest):
            yield f"it answers {one.answer}, and there is room at {best:x}"
        return


def holes(regions: list[Region], low: int, high: int) -> Iterator[tuple[int, int, Region | None]]:
    """Yield the holes in pages `[low, high)`, each with the region right above, or above high."""
    at = low
    for region in regions:
        if region.start >= high:
            break
        if at < region.start:
            yield at, region.start, region
        at = max(at, region.end)
    if at < high:
        yield at, high, next((one for one in regions if one.start >= high), None)


def seals_forbid_destruction_only(one: Made) -> Iterator[str]:
    """Advice that destroys nothing passes a seal."""
    if one.call.name == "madvise" and one.answer == "-EPERM":
        if not any(word in DESTROYS for word in one.call.words):
            yield "it answers EPERM, and destroys nothing"


def may_be_one(below: Kind, above: Kind) -> bool:
    """Whether two neighbours that are alike in all else may be one: nobody forked, nothing special.

    Of anonymous memory only; what has an owner with hooks stays out of this.
    """
    if below.ops or above.ops or below.file or above.file or below.flags & VM_SPECIAL:
        return False
    if len(below.chain) > 1 or len(above.chain) > 1 or UNNAMED in below.chain + above.chain:
        return False
    return not below.chain or not above.chain or below.chain == above.chain


def what_can_merge_does(one: Made) -> Iterator[str]:
    """A new or changed range is one VMA with an equal neighbour."""
    if not one.done or one.failing or one.call.name not in (*MAPS, *MODIFIES, *KEEPING):
        return
    start, end = one.span()
    for below, above in zip(one.after, one.after[1:], strict=False):
        border = below.end
        if border != above.start or not start <= border <= end:
            continue
        first, second = below.kind, above.kind
        offset = (second.pgoff or 0) - (border - below.start)
        alike = plain(replace(first, pgoff=None)) == plain(replace(second, pgoff=None))
        if not alike or first.pgoff != offset or not may_be_one(first, second):
            continue
        sides = [page for page in (border - 1, border) if start <= page < end]
        if any(plain(kind_at(one.old, page)) != plain(kind_at(one.new, page)) for page in sides):
            yield f"the VMAs that meet at {border:x} are equal, and not one"


def owners_hear_of_every_vma(one: Made) -> Iterator[str]:
    """As many VMAs with a close hook are there as were made, less those whose end was told.

    Of moves it is not known from what they tell which of several copies has the hook.
    """
    if one.call.name == "mremap":
        return

    def count(regions: list[Region]) -> int:
        return sum("close" in region.kind.hooks for region in regions)

    told: list[str] = []
    for line in one.log:
        # What was made and went again, as in a move that fails, is none.
        opened = line.replace("close", "open")
        if line.startswith("close") and opened in told:
            told.remove(opened)
        else:
            told.append(line)
    expected = count(one.before) - sum(line.startswith("close") for line in told)
    for line in told:
        if line.startswith("open"):
            kind = kind_at(one.old, int(line.split()[1].split("-")[0], 16))
            expected += kind is not None and "close" in kind.hooks
    if one.call.name in MAPS and one.done and "close" in one.kind.hooks:
        expected += sum(line.startswith("mmap") for line in told)
    if one.answer != "-ENODEV" and count(one.after) != expected:
        yield f"{count(one.after)} VMAs have an owner who was told of {expected}"


def anon_vmas_are_shared_in_whole(one: Made) -> Iterator[str]:
    """VMAs of one process that have the same anon_vma have the same ancestors."""
    chains: dict[str, tuple[str, ...]] = {}
    for region in one.after:
        chain = region.kind.chain
        if chain and UNNAMED not in chain and chains.setdefault(chain[0], chain) != chain:
            yield f"{chain[0]} is shared without its ancestors at {region.start:x}"


def new_memory_is_dirty(one: Made) -> Iterator[str]:
    """A new mapping is marked for who tracks changes."""
    if one.call.name not in MAPS or not one.done or ("set", "on", "soft_dirty") not in one.settings:
        return
    for page, _, now in samples(one, *one.span()):
        if now is not None and not now.flags & VM_SOFTDIRTY:
            yield f"page {page:x} is new and looks clean"
            return


def refused_mappings_keep_what_was_there(one: Made) -> Iterator[str]:
    """mmap that is refused before its file is asked has unmapped nothing."""
    if one.call.name in MAPS and not one.done and not one.failing and not one.kind.file:
        if one.old != one.new:
            yield f"it answers {one.answer}, and pages have changed"


def a_vma_grows_where_there_is_room(one: Made) -> Iterator[str]:
    """Without limits mremap grows the end of a VMA into a hole."""
    call = one.call
    if call.name != "mremap" or "sized" not in call.words or one.failing or one.sets(*LIMITS[1:]):
        return
    if one.sets("max_map_count") and one.kernel() in EXACT_MOVES:
        return
    region = next((it for it in one.before if it.start <= call.start < it.end == call.end), None)
    end = call.start + call.count
    if (
        region is None
        or region.start == 0
        or end <= call.end
        or region.kind.flags & (VM_SPECIAL | VM_LOCKED)
    ):
        return
    sealed = any(word in ("sl",) for word in region.kind.text().split())
    free = not any(it.start < end and call.end < it.end for it in one.before)
    if free and not sealed and not one.done:
        yield f"it answers {one.answer}, and there is room to grow"


def giving_up_is_no_error(one: Made) -> Iterator[str]:
    """Who can do without a merge, and splits nothing, never lacks memory."""
    if "give_up_on_oom" in one.call.words and one.answer == "-ENOMEM":
        if any((it.start, it.end) == one.span() for it in one.before):
            yield "it answers ENOMEM, and only a merge lacked memory"


def dontunmap_leaves_an_empty_source(one: Made) -> Iterator[str]:
    """What MREMAP_DONTUNMAP leaves behind is apart, at its own offsets, and not locked."""
    call = one.call
    if "dontunmap" not in call.words or not one.done or one.kernel() not in EXACT_MOVES:
        return
    for region in one.after:
        if region.start <= call.start < region.end and region.start <= call.page < region.end:
            yield "source and copy are one VMA"
    for page, _, now in samples(one, call.start, call.end):
        if now is not None and not now.ops and not now.file and not now.chain and now.pgoff:
            yield f"page {page:x} is empty and keeps the offset of another place"
            return


def nothing_is_miscounted(one: Made) -> Iterator[str]:
    """Versions that keep the books of locked pages have no excuse; 7.2 counts terabytes wrongly."""
    giant = any(region.end > 1 << 20 for region in one.before)
    exact = one.kernel() == "7.3" or (one.kernel() == "7.2" and not giant)
    if exact and one.bench.mm.locked_vm_miscount:
        yield f"{one.bench.mm.locked_vm_miscount} locked pages are miscounted"


Law = Callable[[Made], Iterator[str]]
LAWS: Final[tuple[Law, ...]] = (
    elsewhere_nothing_changes,
    properties_are_not_places,
    success_is_what_was_asked,
    mappings_are_where_the_answer_says,
    holes_are_errors,
    errors_have_a_reason,
    searches_keep_the_gap,
    searches_find_room,
    seals_forbid_destruction_only,
    what_can_merge_does,
    owners_hear_of_every_vma,
    anon_vmas_are_shared_in_whole,
    new_memory_is_dirty,
    refused_mappings_keep_what_was_there,
    a_vma_grows_where_there_is_room,
    giving_up_is_no_error,
    dontunmap_leaves_an_empty_source,
    nothing_is_miscounted,
)
