# SPDX-License-Identifier: GPL-2.0-or-later
"""JUnit reports are XML of the shape that build servers read, whatever the cases hold."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from vmalab.testing import run_cases, select, shipped_cases
from vmalab.testing.cases.run_case import Verdict
from vmalab.testing.seams.checking import CheckingInternal
from vmalab.views.junit import junit_xml

SECONDS = re.compile(r"\d+\.\d{6}")
# Element -> its attributes and the elements it may hold, as in Ant's JUnit.
SHAPE: dict[str, tuple[set[str], set[str]]] = {
    "testsuites": (set(), {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time"}, {"testcase"}),
    "testcase": ({"classname", "name", "time"}, {"failure"}),
    "failure": ({"type", "message"}, set()),
}


def parsed(verdicts: list[Verdict]) -> ElementTree.Element:
    return ElementTree.fromstring(junit_xml(verdicts))


class TwoVmas(CheckingInternal):
    """No process may have more than two VMAs."""

    def adjust(self) -> None:
        self.kernel.config.max_map_count = 2


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    """Two suites under a rule with which some cases fail."""
    return run_cases(select(shipped_cases(), ["munmap/*", "oom/*"]), TwoVmas)


def check_shape(element: ElementTree.Element) -> None:
    attributes, children = SHAPE[element.tag]
    assert set(element.attrib) == attributes
    assert {child.tag for child in element} <= children
    if "time" in attributes:
        assert SECONDS.fullmatch(element.attrib["time"])
    for child in element:
        check_shape(child)


def test_elements_and_attributes_are_those_of_junit(verdicts: list[Verdict]) -> None:
    check_shape(parsed(verdicts))


def test_counts_are_those_of_the_verdicts(verdicts: list[Verdict]) -> None:
    root = parsed(verdicts)
    assert [suite.attrib["name"] for suite in root] == ["munmap", "oom"]
    for suite in root:
        members = [one for one in verdicts if one.case.suite == suite.attrib["name"]]
        failed = [one for one in members if not one.passed]
        assert int(suite.attrib["tests"]) == len(members) == len(suite)
        assert int(suite.attrib["failures"]) == len(failed) == len(suite.findall("*/failure"))
        assert [case.attrib["name"] for case in suite] == [one.case.name for one in members]
        assert {case.attrib["classname"] for case in suite} == {suite.attrib["name"]}
    assert any(not one.passed for one in verdicts)


def test_a_failure_tells_what_a_person_would_read(verdicts: list[Verdict]) -> None:
    failed = next(one for one in verdicts if not one.passed)
    found = parsed([failed]).find("*/*/failure")
    assert found is not None
    assert found.attrib["message"] == failed.problems[0]
    assert (found.text or "").strip() == failed.text().strip()


def test_nothing_that_a_case_says_breaks_the_report(verdicts: list[Verdict]) -> None:
    odd = "a<b & \"c\" 'd' ]]> \x00\x1b\ud800\ufffe é 😀 \t"
    case = replace(verdicts[0].case, suite=odd, name=odd, law=odd)
    root = parsed([Verdict(case, (odd,), (odd,), 0.5)])
    shown = "a<b & \"c\" 'd' ]]> \\x00\\x1b\\ud800\\ufffe é 😀 \\x09"
    assert root[0].attrib["name"] == shown
    failure = root[0][0][0]
    assert failure.attrib["message"] == shown
    assert shown in (failure.text or "")
    junit_xml([Verdict(case, (odd,), (odd,), 0.5)]).encode("utf-8")


def test_no_verdicts_make_an_empty_report() -> None:
    assert len(parsed([])) == 0


def test_the_verb_writes_the_report(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    command = [sys.executable, "-m", "vmalab.cli.main", "test", "brk/*", "--junit", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    root = ElementTree.fromstring(path.read_text("utf-8"))
    check_shape(root)
    assert [suite.attrib["name"] for suite in root] == ["brk"]
    assert int(root[0].attrib["tests"]) == len(select(shipped_cases(), ["brk/*"]))
