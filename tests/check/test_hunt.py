# SPDX-License-Identifier: GPL-2.0-or-later
"""Looking for bugs that were put into the model: what counts as found, and what is told of it."""

import pytest

from vmalab.calls.call import Call
from vmalab.check.draw import call
from vmalab.check.finding import RESULT, Divergence, Finding, Transcript
from vmalab.check.hunt import FEW, Sought, Trace
from vmalab.check.piece import Shrunk
from vmalab.cli.check_mutants import ALL, sought
from vmalab.targets.real.settings import Settings
from vmalab.testing.mutants import MUTANTS
from vmalab.views.answers.check import hunt_answer
from vmalab.views.hunt import verdict_lines

SEEN = Sought("one")
HIDDEN = Sought("other", "no call shows it")


def shrunk(count: int) -> Shrunk:
    calls: tuple[Call, ...] = (call("munlockall"),) * count
    finding = Finding("lock", 7, Settings(), Divergence(calls, RESULT, 0, -12))
    return Shrunk(finding, Transcript({}, "", "", "", (), ""), "7.3", "7.3.4", 300)


def test_a_bug_counts_as_found_when_few_calls_show_it() -> None:
    assert Trace(SEEN, 100).missed
    assert Trace(SEEN, 100, shrunk(FEW + 1)).missed
    assert not Trace(SEEN, 100, shrunk(FEW)).missed
    assert not Trace(HIDDEN).missed


def test_what_was_not_looked_for_is_told_with_its_reason() -> None:
    lines = list(verdict_lines([Trace(SEEN, 100, shrunk(2)), Trace(HIDDEN)]))
    assert lines == [
        "not looked for: other: no call shows it",
        "1 looked for, 1 found in at most 8 calls",
    ]
    assert list(verdict_lines([Trace(SEEN, 100)]))[-1] == "missed: one"


def test_a_search_as_an_object() -> None:
    assert hunt_answer(Trace(SEEN, 412, shrunk(2)), "live") == {
        "target": "live",
        "mutant": "one",
        "calls": 412,
        "shrunk": 2,
        "profile": "lock",
        "stream": 7,
        "last": "munlockall",
        "hidden": "",
        "missed": False,
    }
    assert hunt_answer(Trace(HIDDEN), "live")["hidden"] == "no call shows it"


def test_only_what_no_call_shows_is_hidden() -> None:
    hidden = {mutant.name for mutant in MUTANTS if mutant.hidden}
    unallocated = {mutant.name for mutant in MUTANTS if "_oom" in mutant.name}
    assert hidden == unallocated | {"mremap_forgets_what_did_not_grow"}
    assert len(hidden) == 5


@pytest.mark.parametrize(
    ("target", "looked_for"), [("live", False), ("qemu:7.3", True)], ids=["live", "guest"]
)
def test_what_a_guest_alone_shows_is_looked_for_there(target: str, looked_for: bool) -> None:
    bugs = {one.name: one.hidden for one in sought(ALL, target)}
    assert (bugs["soft_dirty_lost_by_merge"] == "") is looked_for
