# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab test --tree`: the cases on a kernel tree's code, and what is printed of them."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, final

from vmalab.cli.tree_cases import run_tree_cases
from vmalab.cli.tree_plan import CasePlan, plan_cases
from vmalab.targets.tree.base import open_base
from vmalab.targets.tree.objects import BuildError
from vmalab.targets.tree.program import sources_of
from vmalab.targets.tree.source import open_tree
from vmalab.targets.tree.tree import PREFIX, TreeTarget
from vmalab.testing.cases.case import Case
from vmalab.testing.cases.run_case import Outcome, Skipped, Verdict
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.test import test_answer
from vmalab.views.ktap import has_failed, ktap_lines
from vmalab.views.output import complain, say, say_lines

# Seconds between two looks at the files of a watched tree.
WATCH_PERIOD: Final = 0.3
# The folder of the package, which another process is to import and no other.
_HOME: Final = str(Path(__file__).parents[2])

CasePlans = dict[str, list[CasePlan | Skipped | Verdict]]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be run on a tree.

    calls: random calls that are compared beside the cases, 0 for none; sanitize: with accesses to
    memory checked.
    """

    path: str
    cases: Sequence[Case]
    calls: int = 0
    sanitize: bool = False


def show_on_tree(
    wish: Wish,
    *,
    as_ktap: bool = False,
    base: str | None = None,
    as_json: bool = False,
    known: CasePlans | None = None,
) -> int:
    """Run cases on a tree and print what came of them: the exit status. Errors: TargetError.

    base: as of `open_base`; then only what differs from it is printed. known: plans that were made
    before, by version; those that are made now are added.
    """
    began = time.perf_counter()
    path, plans = wish.path, {} if known is None else known
    with _beside(wish) as random_calls:
        ran = _run(TreeTarget(path, sanitize=wish.sanitize), wish.cases, plans)
        before = None
        if base is not None:
            before = _run(open_base(path, base, sanitize=wish.sanitize), wish.cases, plans)
        for remark in ran.remarks:
            complain(f"{path}: {remark}")
        if before is not None:
            return _show_changes(before.outcomes, ran.outcomes, base or "")
        seconds = time.perf_counter() - began
        if as_json:
            say(answer_json("test", test_answer(path, ran.outcomes, seconds)))
        elif as_ktap:
            for line in ktap_lines(ran.outcomes):
                say(line)
        else:
            _show(path, ran.release, ran.outcomes, seconds)
        failed = 1 if any(has_failed(one) for one in ran.outcomes) else 0
        return failed if random_calls is None else max(failed, random_calls.show())


def watch_tree(wish: Wish) -> NoReturn:
    """Run cases on a tree, and again whenever a file that it is built from changes."""
    plans: CasePlans = {}
    files = sources_of(open_tree(wish.path), sanitize=wish.sanitize)
    while True:
        stamps = _stamps(files)
        try:
            show_on_tree(wish, known=plans)
        except BuildError as error:
            complain(str(error))
        now = sources_of(open_tree(wish.path), sanitize=wish.sanitize)
        if now != files:
            files, stamps = now, _stamps(now)
        while _stamps(files) == stamps:
            time.sleep(WATCH_PERIOD)


def _stamps(files: Sequence[Path]) -> list[tuple[int, int]]:
    """Return size and time of files, zeroes for those that are gone."""
    found = []
    for path in files:
        try:
            stat = path.stat()
            found.append((stat.st_size, stat.st_mtime_ns))
        except OSError:
            found.append((0, 0))
    return found


@dataclass(frozen=True, slots=True)
class _Ran:
    """What came of cases on one tree."""

    release: str
    outcomes: list[Outcome]
    remarks: tuple[str, ...]


def _run(tree: TreeTarget, cases: Sequence[Case], known: CasePlans) -> _Ran:
    """Run cases on a tree; the model makes its part while the tree is compiled."""
    release = tree.open().release
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(tree.build)
        if release not in known:
            known[release] = plan_cases(cases, release)
        building.result()
    with tree as target:
        outcomes = run_tree_cases(target.executor, known[release])
        return _Ran(target.release, outcomes, target.remarks())


@final
class RandomCalls:
    """`vmalab check` of a tree in a process of its own, beside the cases."""

    def __init__(self, wish: Wish) -> None:
        words = ["check", "--target", f"{PREFIX}{wish.path}", "--calls", str(wish.calls)]
        words += ["--sanitize"] if wish.sanitize else []
        path = os.pathsep.join(filter(None, (_HOME, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "vmalab", *words],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def show(self) -> int:
        """Wait for the end, print what was found: the exit status."""
        text, _ = self._process.communicate()
        say_lines(text)
        return self._process.returncode

    def close(self) -> None:
        """End it, if it still runs."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.communicate()


@contextmanager
def _beside(wish: Wish) -> Iterator[RandomCalls | None]:
    """Have random calls made meanwhile, if any are wanted."""
    if not wish.calls:
        yield None
        return
    calls = RandomCalls(wish)
    try:
        yield calls
    finally:
        calls.close()


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
