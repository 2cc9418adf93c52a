# SPDX-License-Identifier: GPL-2.0-or-later
"""Verdicts as JUnit XML, which build servers read."""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from vmalab.testing.run import Verdict

# What XML 1.0 does not allow even when escaped.
FORBIDDEN = {code: "?" for code in range(32) if code not in (9, 10, 13)}


def junit_xml(verdicts: Sequence[Verdict]) -> str:
    """One test suite for each file of cases, one test case for each verdict."""
    suites: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        suites.setdefault(verdict.case.suite, []).append(verdict)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for name, members in suites.items():
        failed = sum(bool(one.problems) for one in members)
        seconds = sum(one.seconds for one in members)
        lines.append(
            f"  <testsuite name={attribute(name)} tests={attribute(len(members))} "
            f'failures={attribute(failed)} time="{seconds:.6f}">'
        )
        lines += [line for one in members for line in case_lines(one)]
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def case_lines(verdict: Verdict) -> list[str]:
    """The lines of one verdict."""
    case = verdict.case
    head = (
        f"    <testcase classname={attribute(case.suite)} name={attribute(case.name)} "
        f'time="{verdict.seconds:.6f}"'
    )
    if not verdict.problems:
        return [head + "/>"]
    return [
        head + ">",
        f"      <failure message={attribute(verdict.problems[0])}>",
        escape(verdict.text().translate(FORBIDDEN)),
        "      </failure>",
        "    </testcase>",
    ]


def attribute(value: object) -> str:
    """A value in quotes."""
    return quoteattr(str(value).translate(FORBIDDEN))
