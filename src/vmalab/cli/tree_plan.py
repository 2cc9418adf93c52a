# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test case comes to on a kernel tree: its commands, and what the model does of them.

No tree is needed for it: the plans are made while the tree is still being compiled.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from vmalab.calls.call import U64_MAX
from vmalab.linux.include.features import VERSIONS, Features
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.proc_maps import VM_FLAG_OF_LETTERS as FLAG_WORDS
from vmalab.linux.include.proc_maps import vm_flag_letters
from vmalab.linux.include.uapi import errno
from vmalab.linux.include.uapi.mman import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_GROWSDOWN,
    MAP_LOCKED,
    MAP_PRIVATE,
    MAP_SHARED,
)
from vmalab.targets.tree.commands import CommandRow, Script, system_call
from vmalab.testing.cases.arrangements import LIMITS, OVERCOMMIT, trees_of
from vmalab.testing.cases.case import Case, CaseCall, CaseStep
from vmalab.testing.cases.kinds import Kind
from vmalab.testing.cases.named_calls import ADVICE, SYSCALLS, prot_of
from vmalab.testing.cases.owners import parse_prepared
from vmalab.testing.cases.run_case import Failure, Skipped, Verdict, call, set_up
from vmalab.testing.cases.workbench import Bench, Region

HOOKS: Final[dict[tuple[str, ...], str]] = {
    (): "0",
    ("close",): "1",
    ("nosplit",): "2",
    ("close", "nosplit"): "3",
}


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One call, and what the model does.

    where: the place in the case, as messages have it; answer: the model's, None when the arranged
    failure never happens there; log: None when the case does not say what owners are told;
    layout, deltas: the model's afterwards.
    """

    step: CaseStep
    where: str
    answer: str | None
    log: list[str] | None
    layout: list[Region]
    deltas: dict[str, int]


@dataclass(frozen=True, slots=True)
class CasePlan:
    """A case that can be run on a tree: all its commands, and what is expected between them."""

    case: Case
    text: str
    flags: tuple[str, ...]
    hidden: frozenset[tuple[int, int]]
    before: list[Region]
    deltas: dict[str, int]
    steps: list[PlannedStep]


def plan_cases(cases: Sequence[Case], release: str) -> list[CasePlan | Skipped | Verdict]:
    """Return the plan of each case, why it cannot be run, or that the model itself fails it.

    release: three numbers, `6.12.3`.
    """
    return [plan_case(case, release) for case in cases]


def plan_case(case: Case, release: str) -> CasePlan | Skipped | Verdict:
    """Return the plan of one case, or what became of it without one."""
    reason = why_not(case, release.rpartition(".")[0])
    if reason:
        return Skipped(case, reason)
    try:
        return _Planner(case, release).plan()
    except Failure as failure:
        return Verdict(case, tuple(failure.problems), tuple(failure.pictures), 0.0)


def why_not(case: Case, version: str) -> str:
    """Return why a case cannot be run on a tree, "" when it can."""
    kinds = [case.legend[letter] for letter in case.letters()]
    if any(kind.policy for kind in kinds):
        return "user mode has no NUMA"
    for words in case.settings:
        reason = _why_not_set(words, version)
        if reason:
            return reason
    for step in case.steps:
        if step.log is not None and any(line.startswith("unmap") for line in step.log):
            return "events of userfaultfd need a reader"
        if step.fail and step.fail[0] == "numa_policy":
            return "user mode has no NUMA"
        if step.call.name in _NOT_MADE:
            return f"{step.call.name} is not made on trees"
        if step.call.name == "relocate_vma_down" and not any(kind.chain for kind in kinds):
            return "exec moves stacks that have pages"
        if step.call.name == "install_special_mapping" and any(kind.hooks for kind in kinds):
            return "a tree's special mappings have hooks of their own"
        if step.call.name == "madvise" and step.call.words.keys() & _PAGE_ADVICE:
            return "there are no pages"
    return ""


_FILES: Final = ("adds", "refuses", "prepares", "objects", "hides")
_SWITCHES: Final = (("ksm",), ("mdwe",), ("stack_grows_up",))
_NOT_MADE: Final = (
    "vma_modify_policy",
    "create_init_stack_vma",
)
_PAGE_ADVICE: Final = {"guard_install", "guard_remove", "remove", "collapse"}


def _why_not_set(words: tuple[str, ...], version: str) -> str:
    what = words[:2]
    if what == ("set", "kernel") and version != words[2]:
        return f"the rule of {words[2]}"
    if words[0] == "trees":
        oldest, newest = trees_of(words)
        major, minor = (int(number) for number in version.split("."))
        # What holds on the newest that is known holds on what comes after it.
        fits = oldest <= (major, minor) and ((major, minor) <= newest or newest == VERSIONS[-1])
        return "" if fits else " ".join(words[3:])
    if what == ("set", "on") and words[2:] not in _SWITCHES:
        return f"{' '.join(words[2:])} cannot be set on trees"
    if words[0] == "file" and words[2] == "shows":
        return "what is mapped has no pages on a tree"
    if words[0] == "file" and words[2] not in _FILES:
        return f"a file that is {words[2]} is none of a tree's"
    return ""


class _Planner:
    """Runs a case on the model, and writes down what the tree is to do."""

    def __init__(self, case: Case, release: str) -> None:
        self._case = case
        self._script = Script()
        self._bench = Bench(case.legend)
        major, minor, patch = (int(number) for number in release.split("."))
        self._features = Features((major, minor), patch)
        self._bench.config.release = release
        self._bench.config.features = self._features
        self._bench.config.transparent_hugepage = False

    def plan(self) -> CasePlan:
        """Return the plan. Errors: Failure, the model does not get through the case."""
        bench, script, case = self._bench, self._script, self._case
        self._set_up()
        flags = [w for letter in case.letters() for w in vm_flag_letters(case.legend[letter].flags)]
        before, deltas = self._layout(), dict(bench.deltas)
        several = len(case.steps) > 1
        steps = [
            self._step(step, f"call {number}" if several else "call")
            for number, step in enumerate(case.steps, 1)
        ]
        script.end()
        script.mark()
        hidden = frozenset((box.start, box.end) for box in bench.crowd)
        return CasePlan(
            case, script.text(), tuple(dict.fromkeys(flags)), hidden, before, deltas, steps
        )

    # Setting up.

    def _set_up(self) -> None:
        bench, script = self._bench, self._script
        set_up(bench, self._case)
        # Not those of the newest point release, which `set kernel` means.
        bench.config.features = self._features
        limits = {LIMITS[words[1]]: words[2] for words in self._case.settings if words[1] in LIMITS}
        for words in self._case.settings:
            self._apply(words)
        for resource, pages in limits.items():
            script.limit(resource, int(pages) << PAGE_SHIFT)
        for box in bench.crowd:
            kind = Kind(FLAG_WORDS["rd"] | _MAY, ops=True)
            script.vma(self._row(box.start, box.end, 0, kind))
        for box in self._case.before:
            kind = bench.kind(box.letter)
            script.vma(self._row(box.start, box.end, bench.pgoff(box.letter, box.start), kind))
        script.words()
        script.mark()
        script.rows()
        script.mark()

    def _apply(self, words: tuple[str, ...]) -> None:
        script = self._script
        if words[0] == "file":
            self._apply_to_file(words[1], words[2], words[3:])
        elif words[0] == "set" and words[1] not in LIMITS and words[1] != "kernel":
            if words[1] == "overcommit":
                script.arrange("overcommit", str(OVERCOMMIT[words[2]]))
            elif words[1] == "on":
                script.arrange("on", words[2])
            elif words[1] == "def_flags":
                script.arrange("def_flags", ",".join(words[2:]))
            elif words[1] in ("mmap_min_addr", "task_size"):
                script.arrange(words[1], words[2])
            else:
                script.arrange(words[1], f"{int(words[2]):x}")

    def _apply_to_file(self, name: str, what: str, value: tuple[str, ...]) -> None:
        script = self._script
        if what == "adds":
            script.arrange(what, ",".join(value))
        elif what == "prepares":
            prepared = parse_prepared(value)
            script.arrange(what, name)
            script.arrange("prepared_flags", ",".join(vm_flag_letters(prepared.flags)))
            if prepared.pgoff is not None:
                script.arrange("prepared_pgoff", f"{prepared.pgoff:x}")
            if prepared.file:
                script.arrange("prepared_file", prepared.file)
            script.arrange("prepared_operations", HOOKS[prepared.hooks] if prepared.ops else "-")
        elif what == "hides":
            script.arrange(what, "1")
        else:
            for word, setting in zip(value[::2], (what, "override"), strict=False):
                script.arrange(setting, f"{getattr(errno, word):x}")

    def _row(self, start: int, end: int, pgoff: int, kind: Kind) -> CommandRow:
        hooks = HOOKS[kind.hooks] if kind.ops else "-"
        flags = ",".join(vm_flag_letters(kind.flags)) or "-"
        chain = "<".join(kind.chain) or "-"
        return CommandRow(
            start,
            end,
            pgoff,
            chain,
            kind.file or "-",
            kind.name or "-",
            kind.uffd or "-",
            hooks,
            flags,
        )

    # Calls.

    def _step(self, step: CaseStep, what: str) -> PlannedStep:
        bench, script = self._bench, self._script
        bench.log.clear()
        bench.begin_call()
        predicted, wrong = call(bench, step)
        if step.fail:
            script.fail(step.fail[0], step.fail[1])
        script.operation(self._operation(step.call))
        if step.fail:
            script.asked()
        if step.after is not None:
            expected = bench.expected(step.after)
            bench.adopt_names(expected)
            for region in expected:
                chain = region.kind.chain[0] if region.kind.chain else "-"
                script.adopt(region.start, chain, region.kind.file or "-")
        script.rows()
        script.mark()
        return PlannedStep(
            step,
            f"line {step.line}, {what}: ",
            None if wrong else predicted,
            None if step.log is None else list(bench.log),
            self._layout(),
            dict(bench.deltas),
        )

    def _operation(self, one: CaseCall) -> list[str]:
        """Return the words of an operation, as the tree's bench reads them."""
        words = [one.name]
        option = next(iter(one.words), "-")
        if one.name in SYSCALLS:
            return self._call(one)
        if one.letter:
            row = self._row(
                one.start,
                one.end,
                self._bench.pgoff(one.letter, one.start),
                self._bench.kind(one.letter),
            )
            if one.name == "do_brk_flags":
                return [*words, f"{one.start:x}", f"{one.end:x}", option, row.flags]
            return [
                *words,
                f"{one.start:x}",
                f"{one.end:x}",
                f"{row.pgoff:x}",
                row.file,
                row.name,
                row.uffd,
                row.ops,
                row.flags,
                option,
            ]
        if one.name in (
            "vma_merge_extend",
            "vma_shrink",
            "relocate_vma_down",
            "expand_downwards",
            "expand_upwards",
        ):
            return [*words, f"{one.vma:x}", f"{one.page:x}"]
        if one.name == "vma_expand":
            return [*words, f"{one.vma:x}", f"{one.start:x}", f"{one.end:x}"]
        if one.name == "split_vma":
            return [*words, f"{one.page:x}", "below" if "below" in one.words else "above"]
        if one.name == "copy_vma":
            return [*words, f"{one.start:x}", f"{one.end:x}", f"{one.page:x}", option]
        if one.name == "vm_unmapped_area":
            options = [
                f"{one.words[key]:x}" if key in one.words else "-"
                for key in ("align", "offset", "gap")
            ]
            which = "highest" if "highest" in one.words else "lowest"
            return [*words, f"{one.count:x}", f"{one.start:x}", f"{one.end:x}", which, *options]
        if one.name == "anon_vma_prepare":
            return [*words, f"{one.vma:x}"]
        return [*words, f"{one.start:x}", f"{one.end:x}"]

    def _call(self, one: CaseCall) -> list[str]:
        """Return a system call with its arguments."""
        start, length = one.start << PAGE_SHIFT, (one.end - one.start) << PAGE_SHIFT
        if one.name == "mmap":
            return self._mmap(one, start, length)
        if one.name == "mprotect":
            return system_call(one.name, start, length, prot_of(self._bench.kind(one.letter).flags))
        if one.name == "madvise":
            advice = next(ADVICE[word] for word in one.words if word in ADVICE)
            return system_call(one.name, start, length, advice)
        if one.name == "mremap" and "sized" in one.words:
            return system_call(
                one.name, start, length, one.count << PAGE_SHIFT, int("maymove" in one.words)
            )
        if one.name == "mremap":
            flags = 7 if "dontunmap" in one.words else 3
            return system_call(one.name, start, length, length, flags, one.page << PAGE_SHIFT)
        return system_call(one.name, start, length)

    def _mmap(self, one: CaseCall, start: int, length: int) -> list[str]:
        kind, script = self._bench.kind(one.letter), self._script
        pgoff = self._bench.pgoff(one.letter, one.start)
        script.mapping(self._row(one.start, one.end, pgoff, kind))
        flags = MAP_FIXED | (MAP_SHARED if kind.flags & FLAG_WORDS["ms"] else MAP_PRIVATE)
        flags |= MAP_GROWSDOWN if kind.flags & FLAG_WORDS["gd"] else 0
        flags |= MAP_LOCKED if kind.flags & FLAG_WORDS["lo"] else 0
        if not kind.file:
            fd, offset, flags = U64_MAX, 0, flags | MAP_ANONYMOUS
        else:
            fd, offset = script.descriptor(kind.file), pgoff << PAGE_SHIFT
        return system_call("mmap", start, length, prot_of(kind.flags), flags, fd, offset)

    def _layout(self) -> list[Region]:
        """Return the model's layout without what a tree's bench does not tell."""
        return [replace(one, kind=_plain(one.kind)) for one in self._bench.regions()]


_MAY: Final = FLAG_WORDS["mr"] | FLAG_WORDS["mw"] | FLAG_WORDS["me"]
_TOLD: Final = sum(set(FLAG_WORDS.values()))


def _plain(kind: Kind) -> Kind:
    """Return a kind without flags that have no word."""
    return replace(kind, flags=kind.flags & _TOLD)
