# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab test --tree`: the cases on a kernel tree's code, and what is printed of them."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from vmalab.check.piece import version_of
from vmalab.cli.tree_cases import run_tree_cases
from vmalab.targets.tree.base import open_base
from vmalab.targets.tree.objects import BuildError
from vmalab.targets.tree.program import stamps_of
from vmalab.targets.tree.source import open_tree
from vmalab.targets.tree.tree import TreeTarget
from vmalab.testing.cases.case import Case
from vmalab.testing.cases.run_case import Outcome, Skipped, Verdict
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.test import test_answer
from vmalab.views.ktap import has_failed, ktap_lines
from vmalab.views.output import complain, say, say_lines

# Seconds between two looks at the files of a watched tree.
WATCH_PERIOD: Final = 0.3


def show_on_tree(
    path: str,
    cases: Sequence[Case],
    *,
    as_ktap: bool = False,
    base: str | None = None,
    as_json: bool = False,
    sanitize: bool = False,
) -> int:
    """Run cases on a tree and print what came of them: the exit status. Errors: TargetError.

    base: as of `open_base`; then only what differs from it is printed. sanitize: with accesses to
    memory checked.
    """
    began = time.perf_counter()
    ran = _run(TreeTarget(path, sanitize=sanitize), cases)
    before = None if base is None else _run(open_base(path, base, sanitize=sanitize), cases)
    for remark in ran.remarks:
        complain(f"{path}: {remark}")
    if before is not None:
        return _show_changes(before.outcomes, ran.outcomes, base or "")
    if as_json:
        say(answer_json("test", test_answer(path, ran.outcomes, time.perf_counter() - began)))
    elif as_ktap:
        for line in ktap_lines(ran.outcomes):
            say(line)
    else:
        _show(path, ran.release, ran.outcomes, time.perf_counter() - began)
    return 1 if any(has_failed(one) for one in ran.outcomes) else 0


def watch_tree(path: str, cases: Sequence[Case], sanitize: bool) -> NoReturn:
    """Run cases on a tree, and again whenever a file that it is built from changes."""
    while True:
        try:
            show_on_tree(path, cases, sanitize=sanitize)
        except BuildError as error:
            complain(str(error))
        tree = open_tree(path)
        stamps = stamps_of(tree, sanitize=sanitize)
        while stamps_of(tree, sanitize=sanitize) == stamps:
            time.sleep(WATCH_PERIOD)


@dataclass(frozen=True, slots=True)
class _Ran:
    """What came of cases on one tree."""

    release: str
    outcomes: list[Outcome]
    remarks: tuple[str, ...]


def _run(tree: TreeTarget, cases: Sequence[Case]) -> _Ran:
    with tree as target:
        outcomes = run_tree_cases(target.executor, version_of(target), cases)
        return _Ran(target.release, outcomes, target.remarks())


def _show_changes(before: Sequence[Outcome], after: Sequence[Outcome], base: str) -> int:
    """Print the cases that went otherwise on the base: the exit status, 1 when there are any."""
    changed = 0
    for one, other in zip(before, after, strict=True):
        if _kind(one) == _kind(other):
            continue
        changed += 1
        say(f"{other.case.id}: {_kind(one)} on {base}, {_kind(other)} now")
        if isinstance(other, Verdict) and not other.passed:
            say_lines(other.text())
    say(f"{len(after)} cases, {changed} changed since {base}")
    return 1 if changed else 0


def _kind(outcome: Outcome) -> str:
    if isinstance(outcome, Skipped):
        return "left out"
    return "passed" if outcome.passed else f"failed ({outcome.problems[0]})"


def _show(path: str, release: str, outcomes: Sequence[Outcome], seconds: float) -> None:
    """Print failures with their drawings, why cases were left out, and the sums."""
    for one in outcomes:
        if isinstance(one, Verdict) and not one.passed:
            say_lines(one.text())
    reasons = Counter(one.reason for one in outcomes if isinstance(one, Skipped))
    for reason, count in reasons.most_common():
        say(f"{count} left out: {reason}")
    failed = sum(has_failed(one) for one in outcomes)
    passed = len(outcomes) - failed - reasons.total()
    say(
        f"{path} ({release}): {len(outcomes)} cases, {passed} passed, {failed} failed, "
        f"{reasons.total()} left out, {seconds:.3f} s"
    )
