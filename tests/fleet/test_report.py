# SPDX-License-Identifier: GPL-2.0-or-later
"""Sums over recordings: the same however they are shared out and wherever they are."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from make_fleet import make_fleet

from vmalab.calls.errors import ReadError
from vmalab.crew.staff import ALONE, Staff
from vmalab.fleet.account import Account, Asked, CauseShare, Effect, FailureCount
from vmalab.fleet.report import FleetSurvey, find_all, sample_of, survey_fleet
from vmalab.fleet.scenarios import LimitUse, Scenario
from vmalab.fleet.sums import MOST_NAMED, FleetSums
from vmalab.views.answers.fleet import FleetAnswer, fleet_answer

SCENARIOS = (Scenario(kernel="7.3"), Scenario(setting=("vm.max_map_count", 100)))


def report(path: str, staff: Staff = ALONE) -> FleetAnswer:
    """Return the report of what is at a path, with the paths below it."""
    survey = FleetSurvey((path,), Asked(SCENARIOS, tops=(path,)), staff)
    answer = fleet_answer(survey_fleet(survey, find_all(survey)))
    for row in (*answer["nearest"], *answer["unusable"]):
        row["path"] = os.path.basename(row["path"])
    return answer


def test_a_made_fleet_replays_as_it_was_recorded(tmp_path: Path) -> None:
    """Also where calls were refused by the limit that others of the fleet have higher."""
    data = Path(__file__).parent.parent / "data"
    make_fleet(tmp_path / "fleet", 6, 1, [str(data / "mapcount-1"), str(data / "limits-1")])
    paths = (str(tmp_path / "fleet"),)
    sums = survey_fleet(survey := FleetSurvey(paths, Asked()), find_all(survey))
    assert (sums.recordings, sums.differing) == (6, 0)
    assert sums.refused > 0


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small fleet."""
    place = tmp_path_factory.mktemp("fleets") / "fleet"
    examples = Path(__file__).parent.parent.parent / "examples"
    make_fleet(place, 12, 1, [str(examples / "guards"), str(examples / "sqlite3")])
    (place / "service-99" / "host").mkdir(parents=True)
    (place / "service-99" / "host" / "calls.strace").write_text("nothing\n")
    return place


def test_a_fleet_is_summed_up(fleet: Path) -> None:
    found = report(str(fleet))
    assert found["recordings"] == 12
    assert found["unusable_count"] == 1
    assert found["kernels"] == {"6.18": 12}
    assert sum(service["recordings"] for service in found["services"]) == 12
    assert found["memory_calls"] in range(12 * 87, 12 * 137 + 1)
    kernel, lowered = found["scenarios"]
    assert kernel["run"] == 12
    # The program with guards has 163 VMAs, the other one 52.
    assert 0 < lowered["run"] == lowered["failing"] < 12


def test_two_processes_report_what_one_does(fleet: Path) -> None:
    assert report(str(fleet), Staff(2)) == report(str(fleet))


def test_shared_storage_reports_what_a_folder_does(fleet: Path) -> None:
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")
    storage = fsspec.filesystem("memory")
    storage.put(str(fleet), "/bucket", recursive=True)
    try:
        found, here = report("memory://bucket"), report(str(fleet))
    finally:
        storage.rm("/bucket", recursive=True)
    for answer in (found, here):
        answer["unusable"] = []
        for rows in (answer["services"], answer["causes"], answer["failures"]):
            for row in rows:
                row.pop("example", None)  # type: ignore[attr-defined]
                row.pop("nearest_path", None)  # type: ignore[attr-defined]
        for scenario in answer["scenarios"]:
            scenario["changed"] = []
    assert found == here


def test_a_folder_without_recordings_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no recording here or below"):
        find_all(FleetSurvey((str(tmp_path),), Asked()))


def test_a_sample_is_the_same_again_and_stays_while_others_come() -> None:
    paths = [f"host-{number}" for number in range(1000)]
    some = sample_of(paths, 50, 1)
    assert some == sample_of(reversed(paths), 50, 1) != sample_of(paths, 50, 2)
    assert len(some) == 50
    more = sample_of([*paths, "host-1000", "host-1001"], 50, 1)
    assert len(set(some) & set(more)) >= 48


def test_a_sample_may_be_of_each_folder(fleet: Path) -> None:
    survey = FleetSurvey((str(fleet),), Asked(), each=1)
    found = find_all(survey)
    assert len(found) == len(list(fleet.iterdir()))
    assert len({os.path.dirname(path) for path in found}) == len(found)
    assert len(find_all(replace(survey, sample=2))) == 2


def account(number: int, part: float, service: str = "shop") -> Account:
    """Return an account that used a part of a limit of 1000 VMAs."""
    use = LimitUse("map count", "VMAs", "1.1", round(1000 * part), 1000, None)
    return Account(
        f"host-{number}",
        service,
        kernel="6.18",
        calls=10,
        peak=use.most,
        limits=(use,),
        failures=(FailureCount("map count", "mmap", "ENOMEM", True, 2),) if part >= 1 else (),
        causes=(CauseShare("mprotect", use.most // 2, 0),),
        effects=(Effect(True, use.most, use.most - 1, 0, 2 if part >= 1 else 0, part < 1),),
    )


def test_sums_know_who_is_near_a_limit() -> None:
    sums = FleetSums((SCENARIOS[0],), 80)
    for number in range(10):
        sums.add(account(number, (number + 1) / 10, "bank" if number > 7 else "shop"))
    assert [row.path for row in sums.nearest] == ["host-9", "host-8", "host-7"]
    assert (sums.near, sums.refused) == (3, 1)
    (limit,) = sums.sorted_limits()
    assert limit.at_least == {50: 6, 80: 3, 90: 2, 100: 1}
    bank, shop = sums.top_services(10)
    assert (bank.name, bank.near, bank.refused, bank.largest) == ("bank", 2, 2, 1000)
    assert (shop.name, shop.median, shop.worst_path) == ("shop", 500, "host-7")
    (cause,) = sums.top_causes(10)
    assert (cause.vmas, cause.recordings, cause.example) == (2750, 10, "host-9")
    (scenario,) = sums.scenarios
    assert (scenario.passing, scenario.passing_calls, scenario.same) == (1, 2, 9)
    assert [row.path for row in scenario.changed] == ["host-9"]


def test_lists_keep_the_worst_however_many_there_are() -> None:
    sums = FleetSums((SCENARIOS[0],), 80)
    for number in range(3 * MOST_NAMED):
        sums.add(account(number, 1 + (number * 7 % 300) / 1000))
    assert len(sums.nearest) == MOST_NAMED
    assert sums.nearest[0].use.most == 1299
    assert sums.nearest[-1].use.most == 1200
    assert len(sums.scenarios[0].changed) == MOST_NAMED


def test_a_fleet_is_made_of_recordings_that_replay_as_before(fleet: Path) -> None:
    assert report(str(fleet))["differing"] == 0
    assert list(fleet.rglob("calls.parquet"))
    shutil.rmtree(fleet / "service-99")
