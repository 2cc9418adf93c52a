# SPDX-License-Identifier: GPL-2.0-or-later
"""Every historic bug of the catalogue is noticed, by the cases that it names and by a walk."""

import json
import subprocess
from collections.abc import Callable
from functools import partial

import pytest

from vmalab.apart import apart
from vmalab.linux.include.features import VERSIONS
from vmalab.mutated import SUFFIX
from vmalab.patch import parse
from vmalab.testing import run_case, shipped_cases
from vmalab.testing.mutants import MUTANTS, Mutant
from vmalab.testing.mutants.catalogue import NEEDED, POSSIBLE
from vmalab.testing.mutants.run_mutant import failures, found_by_laws, found_by_twin
from vmalab.testing.walks.walk import search

Run = Callable[..., subprocess.CompletedProcess[str]]

CASES = {case.id: case for case in shipped_cases()}
BY_NAME = {mutant.name: mutant for mutant in MUTANTS}
# Walks that a quick test makes; `vmalab mutants --walk` makes more.
WALKS = 40
# What laws say of some that are found soon.
LAWFUL = {
    "adj_next_keeps_pgoff": "is of another page of the file",
    "anon_vma_reused_across_fork": "is shared without its ancestors",
    "fork_reuses_anon_vma_in_use": "has the anon_vmas",
    "low_search_takes_above_for_below": "there is room at",
    # Its locked pages are taken off twice: fewer than none are more than may be locked.
    "merge_removes_closed_vma": "it answers ENOMEM, and its range has no hole",
    "mremap_refuses_to_grow_closed": "there is room to grow",
    "mprotect_passes_hole_at_end": "something in its range is not mapped",
    "munmap_of_an_end_needs_room": "would make no VMA too many",
    "search_ignores_guard_gap": "in the guard gap below",
    "seal_guards_wrong_advice": "destroys nothing",
    "soft_dirty_lost_in_new_mapping": "is new and looks clean",
}
SOON = ("fork_reuses_anon_vma_in_use", "low_search_takes_above_for_below")


@pytest.mark.parametrize("mutant", MUTANTS, ids=list(BY_NAME))
def test_each_named_case_notices(mutant: Mutant) -> None:
    assert list(apart(partial(failures, mutant.cases), mutant.name)) == list(mutant.cases)
    assert mutant.cases
    assert [case for case in mutant.cases if not run_case(CASES[case]).passed] == []


@pytest.mark.parametrize("name", ["failed_munmap_uncounts_locked", "mremap_extends_from_start"])
def test_an_engine_without_the_bug_notices(name: str) -> None:
    assert 0 < found_by_twin(BY_NAME[name], WALKS) < 1600


def test_engines_without_a_bug_agree() -> None:
    assert found_by_twin(BY_NAME["dontunmap_keeps_pgoff"], 2) == -1


@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=[] if one in SOON else [pytest.mark.slow]) for one in sorted(LAWFUL)],
)
def test_laws_alone_notice(name: str) -> None:
    """No twin is asked, and what is said is what the bug does."""
    ((steps, found),) = apart(partial(found_by_laws, BY_NAME[name].kernel, WALKS), name)
    assert 0 < steps < 1600
    assert any(LAWFUL[name] in said for said in found), found


@pytest.mark.parametrize(
    "kernel", ["7.3", *(pytest.param(k, marks=pytest.mark.slow) for k in ("", "6.1"))]
)
def test_laws_find_nothing_in_the_engine(kernel: str) -> None:
    steps, walk = search(range(12), 40, kernel=kernel, twin=False)
    assert walk is None or walk.found == []
    assert steps > 300


def test_there_are_enough() -> None:
    assert len(MUTANTS) >= 33
    assert set(LAWFUL) <= set(BY_NAME)


@pytest.mark.parametrize("mutant", MUTANTS, ids=list(BY_NAME))
def test_each_head_says_what_the_bug_is(mutant: Mutant) -> None:
    head = parse(mutant.diff, f"{mutant.name}{SUFFIX}").head
    assert set(NEEDED) <= set(head) <= set(POSSIBLE)
    assert head["SPDX-License-Identifier"] == "GPL-2.0-or-later"
    assert len(mutant.effect.split()) > 4
    assert set(mutant.cases) <= set(CASES)
    assert mutant.kernel in ("", *(f"{major}.{minor}" for major, minor in VERSIONS))


def test_the_verb_answers_in_json(vmalab_here: Run) -> None:
    done = vmalab_here("mutants", "brk_limit", "munmap_of_an_end", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["survivors"]) == (0, [])
    assert found["mutants"] == found["killed"] == 2
    assert [kill["case"] for kill in found["kills"]] == ["brk/limit_reached", "munmap/limit_end"]
    assert found["kills"][0]["problem"].endswith("answered -ENOMEM")


def test_the_verb_walks(vmalab_here: Run) -> None:
    done = vmalab_here("mutants", "failed_munmap_uncounts_locked", "--walk")
    assert done.returncode == 0
    assert "walk: 24 steps, by laws alone: 24" in done.stdout


def test_the_verb_shows_the_diff(vmalab_here: Run) -> None:
    done = vmalab_here("mutants", "brk_limit", "--show")
    assert done.stdout == BY_NAME["brk_limit_is_strict"].diff
    assert "+    if mm.map_count >= allowed:" in done.stdout


def test_the_verb_lists_effects_and_references(vmalab_here: Run) -> None:
    done = vmalab_here("mutants", "--list")
    assert len(done.stdout.splitlines()) == 2 * len(MUTANTS)
    assert all(mutant.effect in done.stdout for mutant in MUTANTS)


def test_no_such_mutant_is_an_error_of_the_user(vmalab_here: Run) -> None:
    done = vmalab_here("mutants", "no_such_bug")
    assert done.returncode == 2
    assert "no mutant is called no_such_bug" in done.stderr
