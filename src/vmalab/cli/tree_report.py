# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab test --tree`: the cases on a kernel tree's code, and what is printed of them."""

import time
from collections import Counter
from collections.abc import Sequence

from vmalab.check.campaign import version_of
from vmalab.cli.tree_cases import run_tree_cases
from vmalab.targets.tree.tree import TreeTarget
from vmalab.testing.cases.case import Case
from vmalab.testing.cases.run_case import Outcome, Skipped, Verdict
from vmalab.views.ktap import has_failed, ktap_lines
from vmalab.views.output import complain, say, say_lines


def test_tree(path: str, cases: Sequence[Case], as_ktap: bool) -> int:
    """Run cases on a tree and print what came of them: the exit status. Errors: TargetError."""
    began = time.perf_counter()
    with TreeTarget(path) as target:
        outcomes = run_tree_cases(target.executor, version_of(target), cases)
        remarks = target.remarks()
    for remark in remarks:
        complain(f"{path}: {remark}")
    if as_ktap:
        for line in ktap_lines(outcomes):
            say(line)
    else:
        _show(path, target.release, outcomes, time.perf_counter() - began)
    return 1 if any(has_failed(one) for one in outcomes) else 0


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
        f"{reasons.total()} left out, {seconds:.2f} s"
    )
