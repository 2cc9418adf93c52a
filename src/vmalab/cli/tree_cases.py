# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs planned test cases on the code of a kernel tree.

The model's engine and the tree's code get the same layout and the same calls. After each call,
their answers, layouts and what owners were told must be the same. That the model does what a case
says is for `vmalab test` without a tree.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from vmalab.cli.tree_plan import HOOKS, CasePlan, PlannedStep
from vmalab.linux.include.proc_maps import VM_FLAG_OF_LETTERS as FLAG_WORDS
from vmalab.targets.real.executor import Executor
from vmalab.targets.real.settings import MIB, Settings
from vmalab.targets.tree.commands import Answers, CommandRow, WrongCommand, parts
from vmalab.testing.cases.kinds import Kind
from vmalab.testing.cases.run_case import Failure, Outcome, Skipped, Verdict
from vmalab.testing.cases.show import show_layouts
from vmalab.testing.cases.workbench import Region

# Cases that may end in an endless loop before no more are run.
MOST_HUNG: Final = 5
# Slab caches whose objects must be gone at the end of a case.
_LEAKING: Final = ("vm_area_struct", "anon_vma", "anon_vma_chain", "maple_node")


def run_tree_cases(
    executor: Executor, plans: Sequence[CasePlan | Skipped | Verdict]
) -> list[Outcome]:
    """Run planned cases one after the other.

    Each endless loop takes its time: after a few of them no more cases are run.
    """
    outcomes: list[Outcome] = []
    hung = 0
    for plan in plans:
        if not isinstance(plan, CasePlan):
            outcomes.append(plan)
            continue
        if hung == MOST_HUNG:
            why = f"after {MOST_HUNG} endless loops no more cases are run"
            outcomes.append(Skipped(plan.case, why))
            continue
        outcome = run_plan(executor, plan)
        outcomes.append(outcome)
        hung += isinstance(outcome, Verdict) and any("endless" in one for one in outcome.problems)
    return outcomes


def run_plan(executor: Executor, plan: CasePlan) -> Outcome:
    """Run one planned case."""
    began = time.perf_counter()
    problems: list[str] = []
    pictures: list[str] = []
    answered, died = _carry_out(executor, plan)
    try:
        problems = _compare(plan, answered)
    except Failure as failure:
        problems, pictures = failure.problems, failure.pictures
    except WrongCommand as error:
        return Skipped(plan.case, str(error))
    if died and not problems:
        problems = [f"the tree's code did not survive: {died}"]
    seconds = time.perf_counter() - began
    return Verdict(plan.case, tuple(problems), tuple(pictures), seconds)


def _carry_out(executor: Executor, plan: CasePlan) -> tuple[list[Answers], str]:
    """Return the answers to all commands, as far as they went, and how the worker died or ""."""
    started = executor.start(0, 1000, 0, 256 * MIB, Settings().limits())
    if isinstance(started, str):
        return [], started
    try:
        text, died = executor.command(plan.text)
    finally:
        executor.end()
    return parts(text), died


def _compare(plan: CasePlan, answered: list[Answers]) -> list[str]:
    """Return what is left at the end; Errors: Failure, WrongCommand."""
    found = iter(answered)
    for words in found:
        known = words.words()
        lacking = next((flag for flag in plan.flags if flag not in known), "")
        if lacking:
            raise WrongCommand(f"no VMA of this tree has the flag {lacking}")
        break
    for rows in found:
        _compare_layout(plan, "the layout before", plan.before, plan.deltas, rows, [])
        break
    for step, answers in zip(plan.steps, found, strict=False):
        _compare_step(plan, step, answers)
    counts = next(found, Answers("")).left()
    return [f"{counts[name]} objects of {name} leak" for name in _LEAKING if counts.get(name)]


def _compare_step(plan: CasePlan, planned: PlannedStep, answers: Answers) -> None:
    step, expected = planned.step, planned.answer
    answer = answers.operation(step.call.name)
    if step.fail:
        asked = answers.asked()
        if asked < step.fail[1]:
            raise WrongCommand(
                f"allocation {step.fail[1]} of {step.fail[0]} was to fail, there were {asked}"
            )
        if expected in ("-ENOMEM", "none") and answer != expected:
            raise WrongCommand("the tree's call goes on without that allocation")
    problems = []
    if expected is not None and answer != expected:
        problems.append(f"{step.call.text} answered {answer}, not {expected}")
    log = answers.log()
    if planned.log is not None and log != planned.log:
        problems.append(f"owners were told: {', '.join(log) or 'nothing'}")
    where = planned.where
    problems = [where + problem for problem in problems]
    what = where + "the layout"
    _compare_layout(plan, what, planned.layout, planned.deltas, answers, problems)


def _compare_layout(
    plan: CasePlan,
    what: str,
    expected: list[Region],
    deltas: dict[str, int],
    answers: Answers,
    problems: list[str],
) -> None:
    rows = [row for row in answers.rows() if (row.start, row.end) not in plan.hidden]
    actual = [_region(row) for row in rows]
    pictures: list[str] = []
    if actual != expected:
        problems.append(f"{what} is not as the model of this version has it")
        pictures = show_layouts(plan.case.legend, deltas, expected, actual)
    if problems:
        raise Failure(problems, pictures)


def _region(row: CommandRow) -> Region:
    """Return a VMA of the tree as the model's bench describes its own."""
    own, *rest = row.chain.split("<")
    chain = (own, *sorted(rest)) if row.chain != "-" else ()
    flags = 0
    for word in row.flags.split(","):
        flags |= FLAG_WORDS.get(word, 0)
    hooks = next((hooks for hooks, digit in HOOKS.items() if digit == row.ops), ())
    plain = Kind(flags, _name(row.file), row.pgoff, chain, "", _name(row.name), _name(row.uffd))
    return Region(row.start, row.end, replace(plain, hooks=hooks, ops=row.ops != "-"))


def _name(text: str) -> str:
    return "" if text == "-" else text
