# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs test cases on the code of a kernel tree, beside the model of that kernel's version.

The model's engine and the tree's code get the same layout and the same calls. After each call,
their answers, layouts and what owners were told must be the same. That the model does what a case
says is for `vmalab test` without a tree.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from vmalab.calls.call import U64_MAX
from vmalab.linux.include.features import Features
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
from vmalab.targets.real.executor import Executor
from vmalab.targets.real.settings import Settings
from vmalab.targets.tree.commands import (
    BenchDied,
    CommandRow,
    TreeBench,
    WrongCommand,
)
from vmalab.testing.cases.arrangements import LIMITS, OVERCOMMIT, trees_of
from vmalab.testing.cases.case import Case, CaseCall, CaseStep
from vmalab.testing.cases.kinds import Kind
from vmalab.testing.cases.named_calls import ADVICE, SYSCALLS, prot_of
from vmalab.testing.cases.owners import parse_prepared
from vmalab.testing.cases.run_case import Failure, Outcome, Skipped, Verdict, call, set_up
from vmalab.testing.cases.show import show_layouts
from vmalab.testing.cases.workbench import Bench, Region

# Cases that may end in an endless loop before no more are run.
MOST_HUNG: Final = 5
# Slab caches whose objects must be gone at the end of a case.
_LEAKING: Final = ("vm_area_struct", "anon_vma", "anon_vma_chain", "maple_node")
_HOOKS: Final[dict[tuple[str, ...], str]] = {
    (): "0",
    ("close",): "1",
    ("nosplit",): "2",
    ("close", "nosplit"): "3",
}


def run_tree_cases(executor: Executor, version: str, cases: Sequence[Case]) -> list[Outcome]:
    """Run cases one after the other, beside the model of a version.

    Each endless loop takes its time: after a few of them no more cases are run.
    """
    outcomes: list[Outcome] = []
    hung = 0
    for case in cases:
        if hung == MOST_HUNG:
            outcomes.append(Skipped(case, f"after {MOST_HUNG} endless loops no more cases are run"))
            continue
        outcome = run_tree_case(executor, version, case)
        outcomes.append(outcome)
        hung += isinstance(outcome, Verdict) and any("endless" in one for one in outcome.problems)
    return outcomes


def run_tree_case(executor: Executor, version: str, case: Case) -> Outcome:
    """Run one case, or say why it cannot be run."""
    reason = why_not(case, version)
    return Skipped(case, reason) if reason else _Run(executor, version, case).run()


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
        return "" if oldest <= (major, minor) <= newest else " ".join(words[3:])
    if what == ("set", "on") and words[2:] not in (("ksm",), ("mdwe",)):
        return f"{' '.join(words[2:])} cannot be set on trees"
    if words[0] == "file" and words[2] == "shows":
        return "what is mapped has no pages on a tree"
    if words[0] == "file" and words[2] not in _FILES:
        return f"a file that is {words[2]} is none of a tree's"
    return ""


class _Run:
    """One case on both sides."""

    def __init__(self, executor: Executor, version: str, case: Case) -> None:
        self._case = case
        self._tree = TreeBench(executor)
        self._bench = Bench(case.legend)
        major, minor = (int(number) for number in version.split("."))
        self._bench.config.release = version
        self._bench.config.features = Features((major, minor))
        self._bench.config.transparent_hugepage = False

    def run(self) -> Outcome:
        """Return what became of it."""
        began = time.perf_counter()
        problems: list[str] = []
        pictures: list[str] = []
        try:
            self._set_up()
            for number, step in enumerate(self._case.steps):
                several = len(self._case.steps) > 1
                self._step(step, f"call {number + 1}" if several else "call")
            problems = self._end()
        except Failure as failure:
            problems, pictures = failure.problems, failure.pictures
        except WrongCommand as error:
            return Skipped(self._case, str(error))
        except BenchDied as error:
            problems = [f"the tree's code did not survive: {error}"]
        finally:
            self._tree.close()
        seconds = time.perf_counter() - began
        return Verdict(self._case, tuple(problems), tuple(pictures), seconds)

    # Setting up.

    def _set_up(self) -> None:
        bench, tree = self._bench, self._tree
        set_up(bench, self._case)
        limits = {LIMITS[words[1]]: words[2] for words in self._case.settings if words[1] in LIMITS}
        tree.begin(Settings())
        for words in self._case.settings:
            self._apply(words)
        for resource, pages in limits.items():
            tree.limit(resource, int(pages) << PAGE_SHIFT)
        for box in bench.crowd:
            kind = Kind(FLAG_WORDS["rd"] | _MAY, ops=True)
            tree.vma(self._row(box.start, box.end, 0, kind))
        for box in self._case.before:
            kind = bench.kind(box.letter)
            tree.vma(self._row(box.start, box.end, bench.pgoff(box.letter, box.start), kind))
        self._lacks_flags(tree.words())
        self._compare("the layout before", [])

    def _lacks_flags(self, known: set[str]) -> None:
        """Errors: WrongCommand, for kinds with flags that this tree does not have."""
        for letter in self._case.letters():
            for word in vm_flag_letters(self._case.legend[letter].flags):
                if word not in known:
                    raise WrongCommand(f"no VMA of this tree has the flag {word}")

    def _apply(self, words: tuple[str, ...]) -> None:
        tree = self._tree
        if words[0] == "file":
            self._apply_to_file(words[1], words[2], words[3:])
        elif words[0] == "set" and words[1] not in LIMITS and words[1] != "kernel":
            if words[1] == "overcommit":
                tree.arrange("overcommit", str(OVERCOMMIT[words[2]]))
            elif words[1] == "on":
                tree.arrange("on", words[2])
            elif words[1] == "def_flags":
                tree.arrange("def_flags", ",".join(words[2:]))
            elif words[1] in ("mmap_min_addr", "task_size"):
                tree.arrange(words[1], words[2])
            else:
                tree.arrange(words[1], f"{int(words[2]):x}")

    def _apply_to_file(self, name: str, what: str, value: tuple[str, ...]) -> None:
        tree = self._tree
        if what == "adds":
            tree.arrange(what, ",".join(value))
        elif what == "prepares":
            prepared = parse_prepared(value)
            tree.arrange(what, name)
            tree.arrange("prepared_flags", ",".join(vm_flag_letters(prepared.flags)))
            if prepared.pgoff is not None:
                tree.arrange("prepared_pgoff", f"{prepared.pgoff:x}")
            if prepared.file:
                tree.arrange("prepared_file", prepared.file)
            tree.arrange("prepared_operations", _HOOKS[prepared.hooks] if prepared.ops else "-")
        elif what == "hides":
            tree.arrange(what, "1")
        else:
            for word, setting in zip(value[::2], (what, "override"), strict=False):
                tree.arrange(setting, f"{getattr(errno, word):x}")

    def _row(self, start: int, end: int, pgoff: int, kind: Kind) -> CommandRow:
        hooks = _HOOKS[kind.hooks] if kind.ops else "-"
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

    def _step(self, step: CaseStep, what: str) -> None:
        bench, tree = self._bench, self._tree
        where = f"line {step.line}, {what}: "
        bench.log.clear()
        bench.begin_call()
        predicted, wrong = call(bench, step)
        if step.fail:
            tree.fail(step.fail[0], step.fail[1])
        answer = tree.operation(self._operation(step.call))
        if step.fail:
            asked = tree.asked()
            if asked < step.fail[1]:
                raise WrongCommand(
                    f"allocation {step.fail[1]} of {step.fail[0]} was to fail, there were {asked}"
                )
        if step.fail and predicted in ("-ENOMEM", "none") and answer != predicted:
            raise WrongCommand("the tree's call goes on without that allocation")
        problems = (
            []
            if wrong or answer == predicted
            else [f"{step.call.text} answered {answer}, not {predicted}"]
        )
        if step.after is not None:
            expected = bench.expected(step.after)
            bench.adopt_names(expected)
            for region in expected:
                chain = region.kind.chain[0] if region.kind.chain else "-"
                tree.adopt(region.start, chain, region.kind.file or "-")
        if tree.log != bench.log and step.log is not None:
            problems.append(f"owners were told: {', '.join(tree.log) or 'nothing'}")
        self._compare(where + "the layout", [where + problem for problem in problems])

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
        if one.name in ("vma_merge_extend", "vma_shrink", "relocate_vma_down", "expand_downwards"):
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
            return self._tree.call(
                one.name, start, length, prot_of(self._bench.kind(one.letter).flags)
            )
        if one.name == "madvise":
            advice = next(ADVICE[word] for word in one.words if word in ADVICE)
            return self._tree.call(one.name, start, length, advice)
        if one.name == "mremap" and "sized" in one.words:
            return self._tree.call(
                one.name, start, length, one.count << PAGE_SHIFT, int("maymove" in one.words)
            )
        if one.name == "mremap":
            flags = 7 if "dontunmap" in one.words else 3
            return self._tree.call(one.name, start, length, length, flags, one.page << PAGE_SHIFT)
        return self._tree.call(one.name, start, length)

    def _mmap(self, one: CaseCall, start: int, length: int) -> list[str]:
        kind, tree = self._bench.kind(one.letter), self._tree
        pgoff = self._bench.pgoff(one.letter, one.start)
        tree.mapping(self._row(one.start, one.end, pgoff, kind))
        flags = MAP_FIXED | (MAP_SHARED if kind.flags & FLAG_WORDS["ms"] else MAP_PRIVATE)
        flags |= MAP_GROWSDOWN if kind.flags & FLAG_WORDS["gd"] else 0
        flags |= MAP_LOCKED if kind.flags & FLAG_WORDS["lo"] else 0
        if not kind.file:
            fd, offset, flags = U64_MAX, 0, flags | MAP_ANONYMOUS
        else:
            fd, offset = tree.descriptor(kind.file), pgoff << PAGE_SHIFT
        return tree.call("mmap", start, length, prot_of(kind.flags), flags, fd, offset)

    # Comparing.

    def _region(self, row: CommandRow) -> Region:
        """Return a VMA of the tree as the model's bench describes its own."""
        own, *rest = row.chain.split("<")
        chain = (own, *sorted(rest)) if row.chain != "-" else ()
        flags = 0
        for word in row.flags.split(","):
            flags |= FLAG_WORDS.get(word, 0)
        hooks = next((hooks for hooks, digit in _HOOKS.items() if digit == row.ops), ())
        plain = Kind(flags, _name(row.file), row.pgoff, chain, "", _name(row.name), _name(row.uffd))
        return Region(row.start, row.end, replace(plain, hooks=hooks, ops=row.ops != "-"))

    def _compare(self, what: str, problems: list[str]) -> None:
        bench = self._bench
        hidden = {(box.start, box.end) for box in bench.crowd}
        rows = [row for row in self._tree.rows() if (row.start, row.end) not in hidden]
        actual = [self._region(row) for row in rows]
        expected = [replace(one, kind=_plain(one.kind)) for one in bench.regions()]
        pictures: list[str] = []
        if actual != expected:
            problems.append(f"{what} is not as the model of this version has it")
            pictures = show_layouts(bench.legend, bench.deltas, expected, actual)
        if problems:
            raise Failure(problems, pictures)

    def _end(self) -> list[str]:
        counts = self._tree.end()
        return [f"{counts[name]} objects of {name} leak" for name in _LEAKING if counts.get(name)]


_MAY: Final = FLAG_WORDS["mr"] | FLAG_WORDS["mw"] | FLAG_WORDS["me"]


def _name(text: str) -> str:
    return "" if text == "-" else text


def _plain(kind: Kind) -> Kind:
    """Return a kind without what a tree's bench does not tell: flags that have no word."""
    known = 0
    for flag in FLAG_WORDS.values():
        known |= flag
    return replace(kind, flags=kind.flags & known)
