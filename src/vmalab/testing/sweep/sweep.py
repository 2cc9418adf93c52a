# SPDX-License-Identifier: GPL-2.0-or-later
"""The sweep: every allocation of every call fails once, and what is left must be what Linux leaves.

Each step of each case is made again for each of its allocations, with that one failing.  Then

* everything that the address space holds is recounted;
* the layout is as before, or a state that is documented for the call (`PARTIAL`): each page has
  the properties it had before or those it gets by success;
* the same call, made again without a failure, answers what it should, and all pages become what
  they become by success;
* in the end nothing is left.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.table import SYSCALLS
from vmalab.linux.include.mm_flags import VM_ACCOUNT, VM_STICKY
from vmalab.linux.lib.slab import FailNth
from vmalab.linux.mm.vma.validate import tree_violations
from vmalab.linux.types.kernel_state import KernelState
from vmalab.testing.cases.arrangements import apply_setting, build_crowd
from vmalab.testing.cases.audit import accounted_pages, audit, audit_changes, audit_end, ranges
from vmalab.testing.cases.case import Case, CaseStep
from vmalab.testing.cases.kinds import Kind
from vmalab.testing.cases.layout import parse_layout
from vmalab.testing.cases.named_calls import make_call
from vmalab.testing.cases.operations import OPERATIONS
from vmalab.testing.cases.run_case import Failure, engine_failed, set_up
from vmalab.testing.cases.workbench import Bench, Region
from vmalab.testing.seams.checking import CheckingInternal
from vmalab.testing.seams.failing import NoteAllocations
from vmalab.testing.sweep.calltable import ARGUMENTS, CROWDS, LAYOUTS, Arguments
from vmalab.testing.sweep.sweep_exec import EXECS, all_execs, sweep_exec

SeamMaker = Callable[[KernelState], CheckingInternal]

# What a call that runs out of memory may leave changed, by what it is documented to do:
# "splits": VMAs are cut and otherwise as they were; "prefix": some pages are changed already;
# "hole": nothing is mapped any more where a mapping was to be replaced.
PARTIAL: Final = {
    "do_vmi_munmap": ("splits",),
    "mmap_region": ("splits", "hole"),
    "mmap": ("splits", "hole"),
    "munmap": ("splits",),
    "vma_modify_flags": ("splits",),
    "vma_modify_name": ("splits",),
    "vma_modify_policy": ("splits",),
    "vma_modify_flags_uffd": ("splits",),
    "madvise": ("splits", "prefix"),
    "mlock": ("splits", "prefix"),
    "munlock": ("splits", "prefix"),
    "mprotect": ("splits", "prefix"),
    "mremap": ("splits", "hole", "prefix"),
}
# After these the process is killed: only the tree must be sound, for its end.
FATAL: Final = ("relocate_vma_down",)
# What these have done before they failed stays done, and cannot be asked for again.
MOVING: Final = ("mremap", "remap_file_pages")
ENDING: Final = ("exit", "exit_group")
# No call of a case asks for more than that.
MAX_SITES: Final = 64

# Ranges of pages that have the same properties, lowest first; the offset is that of page 0.
Pages = list[tuple[int, int, Kind]]


@dataclass(slots=True)
class SweepReport:
    """What a sweep did.

    calls: calls that allocate; silent: calls that do not; sites: by cache, the allocations that
    were failed; absorbed: those after which the call succeeded all the same; holes: sentences.
    """

    calls: int = 0
    silent: int = 0
    sites: dict[str, int] = field(default_factory=dict)
    absorbed: int = 0
    partial: int = 0
    holes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the report for a person."""
        total = sum(self.sites.values())
        caches = ", ".join(f"{name} {count}" for name, count in sorted(self.sites.items()))
        return (
            f"{total} allocations of {self.calls} calls failed in turn ({caches}); "
            f"{self.absorbed} were absorbed, {self.partial} left a documented partial state; "
            f"{self.silent} calls allocate nothing; {len(self.holes)} holes"
        )


def sweep_cases(cases: Iterable[Case], seam: SeamMaker = CheckingInternal) -> SweepReport:
    """Sweep every step of every case."""
    report = SweepReport()
    for case in cases:
        for number in range(len(case.steps)):
            sweep_step(report, case, number, seam)
    return report


def sweep_step(report: SweepReport, case: Case, number: int, seam: SeamMaker) -> None:
    """Sweep one step of a case, all steps before it being made as they are."""
    notes = NoteAllocations()
    bench, before = prepared(case, number, seam)
    wanted, _ = attempt(bench, case.steps[number], notes)
    after = pages_of_regions(bench.regions())
    bench.tear_down()
    if not notes.asked:
        report.silent += 1
        return
    report.calls += 1
    for nth, name in enumerate(notes.asked[:MAX_SITES], 1):
        report.sites[name] = report.sites.get(name, 0) + 1
        found = fail_one(report, case, number, seam, nth, wanted, before, after)
        where = f"{case.id}, call {number + 1}: allocation {nth}, {name}: "
        report.holes += [where + problem for problem in found]


def prepared(case: Case, number: int, seam: SeamMaker) -> tuple[Bench, list[Region]]:
    """Return a bench just before a step, and its layout then."""
    bench = Bench(case.legend, seam)
    set_up(bench, case)
    for step in case.steps[:number]:
        attempt(bench, step, NoteAllocations())
    return bench, bench.regions()


def attempt(bench: Bench, step: CaseStep, notes: NoteAllocations) -> tuple[str, list[str]]:
    """Make the call of a step once: its answer, and what is wrong then."""
    before = ranges(bench)
    bench.begin_call()
    bench.kernel.set_fault(notes)
    try:
        result = OPERATIONS[step.call.name](bench, step.call)
    finally:
        bench.kernel.set_fault(None)
    if step.after is not None:
        bench.adopt_names(bench.expected(step.after))
    return result, audit(bench) + audit_changes(before, bench)


def fail_one(
    report: SweepReport,
    case: Case,
    number: int,
    seam: SeamMaker,
    nth: int,
    wanted: str,
    before: list[Region],
    after: Pages,
) -> list[str]:
    """Fail one allocation of a step: what is wrong then, or after the same call once more."""
    bench, start = prepared(case, number, seam)
    step = case.steps[number]
    try:
        result, found = attempt(bench, step, NoteAllocations(FailNth(nth)))
        if succeeded(result) and not step.call.name.endswith("_range"):
            report.absorbed += 1
            if keeps_source(step, result, start, bench.regions()):
                # unmap_source_vma() only gets its own charge right: what the source was charged
                # for is never returned.
                report.partial += 1
                return tree_violations(bench.mm)
            if loosely(pages_of_regions(bench.regions())) != loosely(after):
                found.append(f"it answers {result}, and the pages are not those of success")
        else:
            if step.call.name in FATAL:
                return tree_violations(bench.mm)
            place = (step.call.page, step.call.page + step.call.end - step.call.start)
            place = place if step.call.page else (step.call.start, step.call.end)
            state = left_state(start, bench.regions(), after, place)
            if state not in ("unchanged", *PARTIAL.get(step.call.name, ())):
                found.append(f"it answers {result} and leaves the layout: {state}")
            report.partial += state != "unchanged"
            if not succeeded(result) or result == wanted:
                found += again(bench, step, wanted, after)
        bench.tear_down()
        return found + audit_end(bench)
    except Failure as failure:
        return failure.problems
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError) as error:
        return [engine_failed(error)]


def keeps_source(step: CaseStep, result: str, before: list[Region], now: list[Region]) -> bool:
    """Whether a move was made and its source could not be unmapped, which has lost VM_ACCOUNT."""
    page = step.call.start
    was, kept = kind_at(pages_of_regions(before), page), kind_at(pages_of_regions(now), page)
    if step.call.name != "mremap" or "dontunmap" in step.call.words or was is None:
        return False
    return result != f"{page:x}" and kept == replace(was, flags=was.flags & ~VM_ACCOUNT)


def overcharged(bench: Bench) -> bool:
    """Return whether more pages are charged than accounted VMAs have."""
    charged = bench.kernel.committed_as - bench.kernel.commit_miscount
    return charged > accounted_pages(bench, bench.vmas())


def again(bench: Bench, step: CaseStep, wanted: str, after: Pages) -> list[str]:
    """Make the call once more, without a failure: what is not as by success at once."""
    result, found = attempt(bench, step, NoteAllocations())
    if result != wanted and not (is_range(result) and is_range(wanted)):
        found.append(f"once more it answers {result}, not {wanted}")
    elif pages_of_regions(bench.regions()) != after:
        found.append("once more the pages are not those of success")
    return [f"then: {problem}" for problem in found]


def succeeded(result: str) -> bool:
    """Return whether an answer is no errno and no refusal."""
    return not result.startswith("-") and result != "none"


def is_range(result: str) -> bool:
    """Whether an answer is the range of a VMA, which splits that were left behind may change."""
    return "-" in result[1:]


def pages_of_regions(regions: Iterable[Region]) -> Pages:
    """Return what the pages are, wherever one VMA ends and an equal one begins."""
    pages: Pages = []
    for region in regions:
        kind = replace(region.kind, pgoff=(region.kind.pgoff or 0) - region.start)
        if pages and pages[-1][1:] == (region.start, kind):
            pages[-1] = (pages[-1][0], region.end, kind)
        else:
            pages.append((region.start, region.end, kind))
    return pages


def loosely(pages: Pages) -> Pages:
    """What the pages are but for what only a merge would have given them: anon_vmas, sticky flags.

    A mapping that cannot merge for want of memory becomes a VMA of its own.
    """
    regions = [
        Region(start, end, replace(kind, chain=(), flags=kind.flags & ~VM_STICKY, pgoff=start))
        for start, end, kind in pages
    ]
    return pages_of_regions(regions)


def kind_at(pages: Pages, page: int) -> Kind | None:
    """Return what one page is, None where nothing is mapped."""
    return next((kind for start, end, kind in pages if start <= page < end), None)


def left_state(
    before: list[Region], now: list[Region], after: Pages, place: tuple[int, int]
) -> str:
    """Return how a layout differs from that before: unchanged, splits, hole, prefix, or broken.

    place: the pages that the call was to map anew.
    """
    if now == before:
        return "unchanged"
    old, new = pages_of_regions(before), pages_of_regions(now)
    if old == new:
        return "splits"
    borders = {border for pages in (old, new, after) for one in pages for border in one[:2]}
    borders |= set(place)
    states = {page: (kind_at(old, page), kind_at(new, page)) for page in borders}
    changed = {page for page, (was, now_is) in states.items() if was != now_is}
    if all(place[0] <= page < place[1] and states[page][1] is None for page in changed):
        return "hole"
    allowed = all(
        states[page][1] is None or same_but_marks(states[page][1], kind_at(after, page))
        for page in changed
    )
    return "prefix" if allowed else "broken"


def same_but_marks(kind: Kind | None, other: Kind | None) -> bool:
    """Return whether pages are alike, but for an anon_vma: marking comes before that is made."""
    if kind is None or other is None:
        return kind is other
    return replace(kind, chain=()) == replace(other, chain=())


# Sweeping the call table.


def sweep_table(seam: SeamMaker = CheckingInternal) -> SweepReport:
    """Make every call of the table in every layout of the library, and fail its allocations."""
    report = SweepReport()
    for layout in LAYOUTS:
        for name in SYSCALLS:
            if name not in EXECS:
                for arguments in ARGUMENTS[name]:
                    sweep_call(report, layout, name, arguments, seam)
    for name, arguments in all_execs():
        asked, found = sweep_exec(name, arguments, seam)
        report.calls += 1
        report.holes += found
        for cache in asked:
            report.sites[cache] = report.sites.get(cache, 0) + 1
    return report


def laid_out(layout: str, seam: SeamMaker) -> Bench:
    """Return a bench with a layout of the library."""
    drawn = parse_layout(LAYOUTS[layout])
    bench = Bench(drawn.legend, seam)
    if layout in CROWDS:
        count, first = CROWDS[layout]
        apply_setting(bench, ("crowd", str(count), "from", f"{first:x}"))
        build_crowd(bench)
    bench.build(drawn.boxes)
    return bench


def sweep_call(
    report: SweepReport, layout: str, name: str, arguments: Arguments, seam: SeamMaker
) -> None:
    """Sweep one call with its arguments in one layout."""
    notes = NoteAllocations()
    bench = laid_out(layout, seam)
    wanted, found = call_once(bench, name, arguments, notes)
    after = pages_of_regions(bench.regions())
    where = f"{layout}, {name}{arguments.args}"
    if name in ENDING:
        # There is nothing left to look at.
        report.silent += 1
        return
    report.holes += [f"{where}: {problem}" for problem in found]
    if not notes.asked:
        report.silent += 1
        return
    report.calls += 1
    for nth, cache in enumerate(notes.asked[:MAX_SITES], 1):
        report.sites[cache] = report.sites.get(cache, 0) + 1
        bench = laid_out(layout, seam)
        before = bench.regions()
        try:
            result, found = call_once(bench, name, arguments, NoteAllocations(FailNth(nth)))
            state = left_state(before, bench.regions(), after, (0x100, 0x300))
            report.absorbed += result >= 0
            report.partial += result < 0 and state != "unchanged"
            if name == "mremap" and overcharged(bench):
                # A source that cannot be unmapped is charged for twice (unmap_source_vma()).
                report.partial += result >= 0
                report.holes += [f"{where}: {problem}" for problem in tree_violations(bench.mm)]
                continue
            if result < 0 and state == "broken":
                found.append(f"it answers {result} and leaves the layout broken")
            if result < 0:
                retried, more = call_once(bench, name, arguments, NoteAllocations())
                found += more
                if overcharged(bench):
                    continue
                if retried < 0 <= wanted and not (name in MOVING and state != "unchanged"):
                    found.append(f"once more it answers {retried}, not {wanted}")
            bench.tear_down()
            found += audit_end(bench)
        except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError) as error:
            found = [engine_failed(error)]
        report.holes += [f"{where}: allocation {nth}, {cache}: {problem}" for problem in found]


def call_once(
    bench: Bench, name: str, arguments: Arguments, notes: NoteAllocations
) -> tuple[int, list[str]]:
    """Make a call of the table: its result, and what is wrong then."""
    kind = Kind(0, file="lib", ops=True) if arguments.file else None
    bench.begin_call()
    bench.kernel.set_fault(notes)
    try:
        result = make_call(bench, name, arguments.args, kind, dict(arguments.mem))
    finally:
        bench.kernel.set_fault(None)
    return result, audit(bench)
