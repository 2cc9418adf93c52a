# SPDX-License-Identifier: GPL-2.0-or-later
"""Verdicts as JUnit XML, which build servers read."""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from vmalab.testing.cases.run_case import Verdict
from vmalab.views.visible import visible


def junit_xml(verdicts: Sequence[Verdict]) -> str:
    """Return one test suite for each file of cases, one test case for each verdict.

    The shape is the one that build servers agree on: JUnit's, as Ant writes it.
    """
    suites: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        suites.setdefault(verdict.case.suite, []).append(verdict)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>"]
    for name, members in suites.items():
        failed = sum(bool(one.problems) for one in members)
        seconds = sum(one.seconds for one in members)
        lines.append(
            f"  <testsuite name={attribute(name)} tests={attribute(len(members))} "
            f'failures={attribute(failed)} errors="0" skipped="0" time="{seconds:.6f}">'
        )
        lines += [line for one in members for line in case_lines(one)]
        lines.append("  </testsuite>")
    return "\n".join([*lines, "</testsuites>"]) + "\n"


def case_lines(verdict: Verdict) -> list[str]:
    """Return the lines of one verdict."""
    case = verdict.case
    head = (
        f"    <testcase classname={attribute(case.suite)} name={attribute(case.name)} "
        f'time="{verdict.seconds:.6f}"'
    )
    if not verdict.problems:
        return [head + "/>"]
    return [
        head + ">",
        f'      <failure type="case" message={attribute(verdict.problems[0])}>',
        escape(visible(verdict.text(), lines=True)),
        "      </failure>",
        "    </testcase>",
    ]


def attribute(value: object) -> str:
    """Return a value in quotes."""
    return quoteattr(visible(str(value)))
