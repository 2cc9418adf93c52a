# SPDX-License-Identifier: GPL-2.0-or-later
"""Every historic bug of the catalogue is noticed, by the case that it names and by a walk."""

import json
import subprocess
import sys

import pytest

from vmalab.linux.include.bugs import Bugs
from vmalab.linux.include.config import KernelConfig
from vmalab.testing import run_case, shipped_cases
from vmalab.testing.mutants import MUTANTS, Mutant, mutated
from vmalab.testing.walks.walk import search

CASES = {case.id: case for case in shipped_cases()}
# Walks of forty steps that the quick test makes; `vmalab mutants --walk` makes more.
QUICK = ("adj_next_keeps_pgoff", "failed_munmap_uncounts_locked", "seal_guards_wrong_advice")
# What laws say of some that are found soon.
LAWFUL = {
    "adj_next_keeps_pgoff": "is of another page of the file",
    "anon_vma_reused_across_fork": "is shared without its ancestors",
    "fork_reuses_anon_vma_in_use": "has the anon_vmas",
    "merge_removes_closed_vma": "have an owner who was told of",
    "mremap_refuses_to_grow_closed": "there is room to grow",
    "mprotect_passes_hole_at_end": "something in its range is not mapped",
    "munmap_of_an_end_needs_room": "would make no VMA too many",
    "search_ignores_guard_gap": "in the guard gap below",
    "seal_guards_wrong_advice": "destroys nothing",
    "soft_dirty_lost_in_new_mapping": "is new and looks clean",
}


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_the_named_case_notices(mutant: Mutant) -> None:
    case = CASES[mutant.case]
    assert run_case(case).passed
    assert not run_case(case, mutated(mutant)).passed


@pytest.mark.parametrize("name", QUICK)
def test_a_walk_notices(name: str) -> None:
    mutant = next(one for one in MUTANTS if one.name == name)
    steps, walk = search(range(40), 40, mutated(mutant), mutant.kernel)
    assert walk is not None
    assert steps < 1600


@pytest.mark.parametrize("name", sorted(LAWFUL))
def test_laws_alone_notice(name: str) -> None:
    """No twin is asked, and what is said is what the bug does."""
    mutant = next(one for one in MUTANTS if one.name == name)
    steps, walk = search(range(40), 40, mutated(mutant), mutant.kernel, twin=False)
    assert walk is not None
    assert steps < 1600
    assert any(LAWFUL[name] in said for said in walk.found), walk.found


@pytest.mark.parametrize("kernel", ["", "7.3", "6.1"])
def test_laws_find_nothing_in_the_engine(kernel: str) -> None:
    steps, walk = search(range(12), 40, kernel=kernel, twin=False)
    assert walk is None or walk.found == []
    assert steps > 300


def test_there_are_enough_and_each_says_what_it_is() -> None:
    assert len(MUTANTS) >= 25
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        assert mutant.reference
        assert mutant.versions
        assert len(mutant.effect.split()) > 4


def test_every_switch_is_in_the_catalogue_and_off() -> None:
    names = [name for name in dir(Bugs()) if not name.startswith("_")]
    assert [name for name in names if getattr(KernelConfig().bugs, name)] == []
    assert set(names) <= {mutant.name for mutant in MUTANTS}


def test_the_verb_answers_in_json() -> None:
    command = [sys.executable, "-m", "vmalab.cli.main", "mutants", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert (done.returncode, found["survivors"]) == (0, [])
    assert found["mutants"] == found["killed"] == len(MUTANTS)
    assert {kill["case"] for kill in found["kills"]} <= set(CASES)
