# SPDX-License-Identifier: GPL-2.0-or-later
"""Results of test cases as KTAP, the kernel's test protocol, version 1.

One subtest a suite, one line a case; what is wrong with a case stands as diagnostics above it.
Source: Documentation/dev-tools/ktap.rst.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from vmalab.testing.cases.run_case import Outcome, Skipped, Verdict

VERSION = "KTAP version 1"


def ktap_lines(verdicts: Iterable[Outcome]) -> Iterator[str]:
    """Yield the whole report, line by line; verdicts come suite by suite."""
    suites = [(name, list(group)) for name, group in groupby(verdicts, lambda one: one.case.suite)]
    yield VERSION
    yield f"1..{len(suites)}"
    for number, (name, group) in enumerate(suites, 1):
        yield from subtest_lines(name, group)
        yield result_line(not any(has_failed(one) for one in group), number, name)
    outcomes = [one for _, group in suites for one in group]
    failed = sum(has_failed(one) for one in outcomes)
    skipped = sum(isinstance(one, Skipped) for one in outcomes)
    passed = len(outcomes) - failed - skipped
    yield f"# Totals: pass:{passed} fail:{failed} skip:{skipped} total:{len(outcomes)}"


def has_failed(outcome: Outcome) -> bool:
    """Return whether a case was run and failed."""
    return isinstance(outcome, Verdict) and not outcome.passed


def subtest_lines(name: str, verdicts: Sequence[Outcome]) -> Iterator[str]:
    """Yield one suite, indented by two spaces."""
    yield f"  {VERSION}"
    yield f"  # Subtest: {name}"
    yield f"  1..{len(verdicts)}"
    for number, verdict in enumerate(verdicts, 1):
        if isinstance(verdict, Skipped):
            name = verdict.case.name
            yield f"  {result_line(True, number, name)} # SKIP {verdict.reason.replace('#', '_')}"
            continue
        if not verdict.passed:
            for line in verdict.text().split("\n"):
                yield f"  # {line}".rstrip()
        yield "  " + result_line(verdict.passed, number, verdict.case.name)


def result_line(passed: bool, number: int, name: str) -> str:
    """Return the line of one result; `#` would begin a directive, so a name has none."""
    return f"{'ok' if passed else 'not ok'} {number} {name.replace('#', '_')}"
