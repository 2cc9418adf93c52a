# SPDX-License-Identifier: GPL-2.0-or-later
"""Walking an address space from call to call, every law being checked on the way.

A `Walk` makes calls, as case files write them, in a random layout.  After each

* everything that the address space holds is recounted, and what changed was locked;
* a call that failed has changed nothing but what Linux documents (`sweep.PARTIAL`), and says why;
* a twin with the usual rules has given the same answer and has the same layout.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from vmalab.linux.include.mm_flags import VM_ACCOUNT, VM_GROWSDOWN, VM_LOCKED, VM_WRITE
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.lib.slab import FailCache, FailNth
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.testing.cases.audit import audit, audit_changes, audit_end, ranges
from vmalab.testing.cases.case import Case, CaseCall, CaseStep, Setting
from vmalab.testing.cases.kinds import Kind, parse_kind
from vmalab.testing.cases.leaks import counters
from vmalab.testing.cases.operations import OPERATIONS, WrongCall
from vmalab.testing.cases.parser import RESULT
from vmalab.testing.cases.picture import Box, Boxes
from vmalab.testing.cases.run_case import Failure, engine_failed, set_up
from vmalab.testing.cases.signatures import parse_call
from vmalab.testing.cases.workbench import Bench, Region
from vmalab.testing.seams.checking import CheckingInternal
from vmalab.testing.sweep import sweep
from vmalab.testing.walks.made import made
from vmalab.testing.walks.walk_laws import complaints, unnoted

LEGEND: Final[dict[str, Kind]] = {
    letter: parse_kind(words)
    for letter, words in {
        "A": "rw-p",
        "R": "r--p",
        "X": "r-xp",
        "T": "rw-p a1",
        "U": "rw-p a2",
        "K": "rw-p a4<a3",
        "L": "rw-p lo a5",
        "F": "r--p file:lib pgoff=100",
        "S": "rw-s file:shm pgoff=100",
        "E": "r--p file:dev pgoff=100",
        "Y": "r-xp file:dev",
        "C": "r--p file:dev close",
        "O": "---p",
        "G": "rw-p gd",
        "B": "rw-p policy:bind0",
        "N": "rw-p name:arena",
        "Q": "rw-p um uffd:u",
        "Z": "r--p sl",
        "D": "rw-p dd",
    }.items()
}
# Pages of the layout that a walk begins with, and those that its calls may name.
FIRST: Final = 0x10
LAST: Final = 0x50
# Where a VMA of 8 TiB may be, whose pages no int counts.
GIANT: Final = 0x10000000
ANONYMOUS: Final = "ARXTUD"
MAPPABLE: Final = "ARXFSCGBD"
CACHES: Final = ("vm_area_struct", "maple_node", "anon_vma", "anon_vma_chain")
SETTINGS: Final[tuple[tuple[Setting, ...], ...]] = (
    (),
    (),
    (("set", "max_map_count", "6"),),
    (("set", "max_map_count", "20"),),
    (("set", "on", "ksm"),),
    (("set", "on", "soft_dirty"),),
    (("set", "overcommit", "never"), ("set", "commit_limit", "40")),
    (("set", "stack_guard_gap", "4"),),
    (("set", "mmap_min_addr", "0"),),
    (("set", "mmap_min_addr", "0"),),
    (("set", "rlimit_memlock", "99999"),),
    (("file", "lib", "refuses", "ENODEV"), ("file", "shm", "refuses", "EACCES")),
    (("file", "shm", "prepares", "dd"),),
)
ADVICES: Final = (
    *("normal", "random", "dontneed", "dontdump", "dodump", "dontfork", "dofork"),
    *("nohugepage", "hugepage", "populate_write", "populate_write", "guard_install", "free"),
)


@dataclass(slots=True)
class Walk:
    """One walk: what it begins with, what was done, and what was found, "" while all is well."""

    settings: tuple[Setting, ...]
    before: Boxes
    seam: type[CheckingInternal] = CheckingInternal
    twin: bool = True
    steps: list[CaseStep] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    benches: list[Bench] = field(default_factory=list)
    over: bool = False

    def begin(self) -> None:
        """Build the layout, once for each of the benches."""
        seams = [self.seam, CheckingInternal] if self.twin else [self.seam]
        case = self.case("a layout is built")
        for seam in seams:
            bench = Bench(dict(LEGEND), seam)
            try:
                set_up(bench, case)
            except Failure as failure:
                self.found += failure.problems
                return
            self.benches.append(bench)
        self.found += self.wrong_chains(self.benches[0])
        self.compare("", "")

    def wrong_chains(self, bench: Bench) -> list[str]:
        """Return VMAs of the layout that have not the anon_vmas that were drawn."""
        pages = sweep.pages_of_regions(bench.regions())
        found = []
        for box in self.before:
            kind, drawn = sweep.kind_at(pages, box.start), LEGEND[box.letter].chain
            if kind is not None and len(drawn) > 1 and kind.chain != drawn:
                found.append(f"page {box.start:x} has the anon_vmas {kind.chain}, not {drawn}")
        return found

    def case(self, law: str) -> Case:
        """Return the walk so far as a case: each call answers what the usual rules answer."""
        legend = dict(LEGEND)
        steps = tuple(self.steps)
        return Case("walk", "found", law, "walk.vma", 1, legend, self.settings, self.before, steps)

    def regions(self) -> list[Region]:
        """Return the layout as it is."""
        return self.benches[0].regions()

    def step(self, text: str, fail: tuple[str, int] | None = None) -> bool:
        """Make one call on each bench and check the laws: False when something was found.

        A call that does not fit the layout is not made.
        """
        call = parse_call(text)
        if not all(fits(bench, call) for bench in self.benches):
            return True
        answers: list[str] = []
        wanted = CaseStep(0, call, fail)
        for number, bench in enumerate(self.benches):
            before, layout = ranges(bench), bench.regions()
            try:
                answer = self.make(bench, wanted)
            except WrongCall:
                if number == 0 and len(self.benches) == 2:
                    continue
                return True
            except (ArithmeticError, AssertionError, AttributeError, LookupError) as error:
                answer = engine_failed(error)
                self.found.append(answer)
            answers.append(answer)
            if call.name == "mremap" and fail is not None and sweep.overcharged(bench):
                # unmap_source_vma() cannot put this right: no law holds from here on.
                self.over = True
                return True
            if number == 0 and not self.found:
                self.found += audit(bench) + audit_changes(before, bench)
                self.check_failed(bench, wanted, answer, layout)
                self.found += complaints(
                    made(bench, self.settings, call, answer, fail is not None, layout)
                )
        known = answers[-1] if answers and RESULT.fullmatch(answers[-1]) else None
        self.steps.append(CaseStep(0, call, fail, known))
        if not self.found:
            self.compare(text, " and ".join(dict.fromkeys(answers)))
        if len(set(answers)) > 1 and not self.found:
            self.found.append(f"{text} answers {answers[0]}, by the usual rules {answers[1]}")
        return not self.found

    def make(self, bench: Bench, step: CaseStep) -> str:
        """Make a call with its arranged failure, if any."""
        bench.log.clear()
        bench.begin_call()
        if step.fail is not None:
            bench.kernel.set_fault(FailCache(step.fail[0], FailNth(step.fail[1])))
        try:
            return OPERATIONS[step.call.name](bench, step.call)
        finally:
            bench.kernel.set_fault(None)

    def check_failed(self, bench: Bench, step: CaseStep, answer: str, before: list[Region]) -> None:
        """A call that failed changes nothing but what is documented, and notes what refused it."""
        call = step.call
        if not answer.startswith("-E") or call.name in sweep.FATAL:
            return
        now = bench.regions()
        place = (call.page or call.start, (call.page or call.start) + call.end - call.start)
        state = sweep.left_state(before, now, sweep.pages_of_regions(now), place)
        if state not in ("unchanged", "prefix", *sweep.PARTIAL.get(call.name, ())):
            self.found.append(f"{call.text} answers {answer} and leaves the layout: {state}")
        if state == "prefix" and "prefix" not in sweep.PARTIAL.get(call.name, ("hole", "prefix")):
            self.found.append(f"{call.text} answers {answer} and has changed pages")
        if step.fail is None:
            self.found += unnoted(bench, call, answer)

    def compare(self, text: str, answer: str) -> None:
        """Compare the layouts, the counters and the logs of the benches."""
        if len(self.benches) < 2:
            return
        mine, usual = self.benches
        for what, one, other in (
            ("layout", mine.regions(), usual.regions()),
            ("counters", counters(mine.mm), counters(usual.mm)),
            ("owners were told", mine.log, usual.log),
        ):
            if one != other:
                self.found.append(f"{text or 'the layout'}: {what} not as by the usual rules")

    def end(self) -> None:
        """Unmap everything: nothing may be left."""
        for bench in self.benches:
            try:
                bench.tear_down()
                self.found += audit_end(bench)
            except (ArithmeticError, AssertionError, AttributeError, LookupError) as error:
                self.found.append(engine_failed(error))


def fits(bench: Bench, call: CaseCall) -> bool:
    """Whether a call makes sense in a layout: what its callers in the kernel have seen to."""
    if call.letter and bench.pgoff(call.letter, call.start) < 0:
        return False
    vma = vma_lookup(
        bench.mm, (call.page if call.name == "split_vma" else call.start) << PAGE_SHIFT
    )
    if call.name == "split_vma":
        return vma is not None and vma.vm_start < call.page << PAGE_SHIFT
    if call.name.startswith("vma_modify"):
        return vma is not None and vma.vm_ops is None and vma.vm_flags & VM_LOCKED == 0
    return True


def random_layout(rng: random.Random, favoured: str = "") -> Boxes:
    """Return VMAs and holes side by side, short ones, equal neighbours among them."""
    boxes: list[Box] = []
    page = FIRST
    while page < LAST - 8:
        length = rng.choice((1, 2, 2, 4))
        letter = rng.choice("AATTUKRLFFSCGBBNQZ   " + 8 * favoured)
        if rng.random() < 0.08:
            # Three of one file, of which the last one is told of its end.
            boxes += [Box(page + 2 * at, page + 2 * at + 2, one) for at, one in enumerate("EYC")]
            page += 6
            continue
        if letter != " " and not (boxes and boxes[-1].letter == letter == "L"):
            boxes.append(Box(page, page + length, letter))
        page += length
    return tuple(boxes)


def favoured_by(settings: tuple[Setting, ...]) -> str:
    """Return the letter that a file with a setting of its own has, "" when none has."""
    for setting in settings:
        for letter, kind in LEGEND.items():
            if setting[0] == "file" and setting[2] == "prepares" and kind.file == setting[1]:
                return letter
    return ""


def random_walk(
    seed: int, seam: type[CheckingInternal] = CheckingInternal, kernel: str = "", twin: bool = True
) -> Walk:
    """Return the beginning of the walk of a number."""
    rng = random.Random(seed)
    settings = rng.choice(SETTINGS)
    if kernel:
        settings = (("set", "kernel", kernel), *settings)
    before = random_layout(rng, favoured_by(settings))
    if ("set", "mmap_min_addr", "0") in settings:
        before = (Box(0, 4, "T"), *before)
    if rng.random() < 0.1:
        before = (*before, Box(GIANT, GIANT + (1 << 31), "O"))
    walk = Walk(settings, before, seam, twin)
    walk.begin()
    return walk


def borders(walk: Walk) -> list[int]:
    """Return pages at which something begins or ends, and their neighbours: where calls matter."""
    pages = {0, FIRST, LAST} if walk.before[0].start == 0 else {FIRST, LAST}
    for region in walk.regions():
        pages |= {region.start, region.end, (region.start + region.end) // 2}
    return sorted(page for page in pages if page <= LAST)


def random_call(rng: random.Random, walk: Walk) -> tuple[str, tuple[str, int] | None]:
    """Return a call that fits the layout, and now and then a failure for it."""
    start, end = sorted(rng.sample(borders(walk), 2))
    at = f"{start:x}-{end:x}"
    anon, kind = rng.choice(ANONYMOUS), rng.choice(MAPPABLE + 8 * favoured_by(walk.settings))
    region = next((one for one in walk.regions() if one.start <= start < one.end), None)
    calls = [
        *(f"mmap_region {at} {kind}", f"mmap {at} {kind}", f"munmap {at}", f"do_vmi_munmap {at}"),
        *(f"mprotect {at} {rng.choice('ARX')}", f"madvise {at} {rng.choice(ADVICES)}"),
        *(f"mlock {at}", f"munlock {at}", f"mremap {at} to {rng.choice(borders(walk)):x}"),
        *(f"mremap {at} sized {rng.choice((1, 2, 4, 8))}",),
        f"mremap {at} to {rng.choice(borders(walk)):x} dontunmap",
        f"vm_unmapped_area 1 {'lowest' if start % 3 == 0 else 'highest'} in {FIRST:x}-{LAST:x}",
    ]
    if region is None:
        calls += free_range_calls(walk, start, end)
    else:
        calls += one_vma_calls(rng, region, start, end, anon)
        calls += mremap_calls(rng, walk, region)
        calls += stack_calls(rng, walk, region)
    calls += [f"mlock {one.start:x}-{one.end:x}" for one in walk.regions() if one.start > LAST]
    text = rng.choice(calls)
    if text.startswith("vma_modify") and rng.random() < 0.4:
        return text, ("maple_node", 1)
    fail = (rng.choice(CACHES), rng.choice((1, 1, 2, 3))) if rng.random() < 0.15 else None
    return text, fail


def free_range_calls(walk: Walk, start: int, end: int) -> list[str]:
    """Return calls that take for granted that nothing is mapped."""
    end = min([end, *[one.start for one in walk.regions() if one.start >= start]])
    if end <= start:
        return []
    return [f"do_brk_flags {start:x}-{end:x} A", f"vma_merge_new_range {start:x}-{end:x} A"]


def one_vma_calls(rng: random.Random, region: Region, start: int, end: int, anon: str) -> list[str]:
    """Return calls on one VMA or a part of it."""
    last = min(end, region.end)
    part = f"{start:x}-{last:x}"
    calls = [f"anon_vma_prepare {start:x}"] if region.kind.flags & VM_WRITE else []
    if start > region.start:
        calls.append(f"split_vma at {start:x} {rng.choice(('below', 'above'))}")
    if not region.kind.ops and not region.kind.file and not region.kind.flags & VM_LOCKED:
        calls += [
            f"vma_modify_flags {part} {anon}",
            f"vma_modify_flags_uffd {part} {rng.choice('AQ')} give_up_on_oom",
            f"vma_modify_policy {part} {rng.choice('AB')}",
            f"vma_modify_name {part} {rng.choice('AN')}",
        ]
    return calls


def mremap_calls(rng: random.Random, walk: Walk, region: Region) -> list[str]:
    """Moving and resizing a whole VMA, or its upper half."""
    length = region.end - region.start
    half = region.start + length // 2
    to = rng.choice(borders(walk))
    calls = [
        f"mremap {half:x}-{region.end:x} to {to:x}",
        f"mremap {half:x}-{region.end:x} sized {region.end - half + 1}",
    ]
    if length < LAST:
        calls += [
            f"mremap {region.start:x}-{region.end:x} sized {length + rng.choice((1, 2))}",
            f"mremap {region.start:x}-{region.end:x} to {to:x} dontunmap",
        ]
    # Touched memory keeps its offsets: they fit those of its neighbours where it comes from.
    if region.kind.chain and not region.kind.file and region.kind.pgoff:
        calls.append(f"mremap {region.start:x}-{region.end:x} to {region.kind.pgoff:x}")
    return calls


def stack_calls(rng: random.Random, walk: Walk, region: Region) -> list[str]:
    """Growing a stack into the hole below it: a fault in a mapped page grows nothing."""
    below = max([one.end for one in walk.regions() if one.end <= region.start], default=0)
    # A stack that is not accounted is charged for its growth, and never uncharged, by Linux too.
    if ~region.kind.flags & (VM_GROWSDOWN | VM_ACCOUNT) or below == region.start:
        return []
    return [f"expand_downwards {region.start:x} to {rng.randrange(below, region.start):x}"]


def walk_on(walk: Walk, rng: random.Random, steps: int) -> int:
    """Go on for some steps, or until something is found: how many were made."""
    for number in range(steps):
        if walk.found or walk.over:
            return number
        text, fail = random_call(rng, walk)
        walk.step(text, fail)
    return steps


def search(
    seeds: Sequence[int],
    steps: int,
    seam: type[CheckingInternal] = CheckingInternal,
    kernel: str = "",
    twin: bool = True,
) -> tuple[int, Walk | None]:
    """Walk from each seed: the steps that were made, and the walk that found something, or None."""
    made = 0
    for seed in seeds:
        walk = random_walk(seed, seam, kernel, twin)
        made += 1 + walk_on(walk, random.Random(seed + 1), steps)
        if not walk.found and not walk.over:
            walk.end()
        if walk.found:
            return made, walk
    return made, None
