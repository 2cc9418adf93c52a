# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual's table of the kernel's own tests names cases that there are."""

import re
from pathlib import Path

from vmalab.testing.cases.suites import shipped_cases

MANUAL = Path(__file__).parents[3] / "docs" / "reference" / "testing.md"


def test_each_case_that_states_what_a_test_of_the_kernel_does_is_shipped() -> None:
    rows = re.findall(r"^\| `test_\w+` \| (.*) \|$", MANUAL.read_text("utf-8"), re.M)
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert len(rows) == 16
    assert named <= {case.id for case in shipped_cases()}
