# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual's table of the kernel's own tests names all of them, and cases that there are."""

import re
from pathlib import Path

import pytest

from vmalab.testing.cases.suites import shipped_cases

MANUAL = Path(__file__).parents[3] / "docs" / "reference" / "testing.md"
# Of 7.3, but for those about sets of flag bits; 6.12 has all but the last.
KERNELS = (
    "simple_merge",
    "simple_modify",
    "simple_expand",
    "simple_shrink",
    "merge_new",
    "vma_merge_special_flags",
    "vma_merge_with_close",
    "vma_merge_new_with_close",
    "merge_existing",
    "anon_vma_non_mergeable",
    "dup_anon_vma",
    "vmi_prealloc_fail",
    "merge_extend",
    "expand_only_mode",
    "copy_vma",
    "mmap_region_basic",
)
ROWS = dict(re.findall(r"^\| `test_(\w+)` \| (.*) \|$", MANUAL.read_text("utf-8"), re.M))
SHIPPED = {case.id for case in shipped_cases()}


def test_the_manual_has_the_kernels_own_tests_and_no_other() -> None:
    assert sorted(ROWS) == sorted(KERNELS)


@pytest.mark.parametrize("name", KERNELS)
def test_what_a_test_of_the_kernel_states_shipped_cases_state(name: str) -> None:
    named = set(re.findall(r"`([^`]+)`", ROWS[name]))
    assert named
    assert named <= SHIPPED
