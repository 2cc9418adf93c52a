# SPDX-License-Identifier: GPL-2.0-or-later
"""Crews of this machine: order, workers that are killed, and errors."""

import importlib
import os
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from vmalab.calls.errors import ReadError, VmalabError
from vmalab.crew.answers import WorkFailed
from vmalab.crew.open_crew import nowhere, open_crew
from vmalab.crew.sharing import Crew
from vmalab.crew.staff import ALONE, Staff

# What workers import: they know the package, and what stands here.
UNITS = """
import os, signal
from contextlib import contextmanager

from vmalab.calls.errors import ReadError

@contextmanager
def shop(path):
    with open(path, "a") as file:
        file.write("open\\n")
    try:
        yield path
    finally:
        with open(path, "a") as file:
            file.write("closed\\n")

def double(number, place):
    return 2 * number

def where(place):
    return os.getpid()

def place_of(place):
    return place

def fail(place):
    raise ReadError("log", 7, "no call")

def break_down(place):
    return 1 // 0

def end_once(path, place):
    # The first worker is killed in the middle of it.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return "done"
    os.kill(os.getpid(), signal.SIGKILL)

def end(place):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The module of units, which all processes can import."""
    folder = tmp_path_factory.mktemp("units")
    (folder / "crew_units.py").write_text(UNITS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
        patch.setenv("PYTHONPATH", path)
        yield importlib.import_module("crew_units")


@pytest.fixture(scope="module")
def processes(units: Any) -> Iterator[Crew[None]]:
    """Two processes, for all tests that do not look at them."""
    with open_crew(nowhere, Staff(2)) as crew:
        yield crew


@pytest.fixture(params=["alone", "processes"])
def crew(request: pytest.FixtureRequest, units: Any) -> Iterator[Crew[None]]:
    """This process alone, and processes."""
    if request.param == "processes":
        yield request.getfixturevalue("processes")
        return
    with open_crew(nowhere, ALONE) as crew:
        yield crew


def test_values_come_in_the_order_of_their_units(units: Any, crew: Crew[None]) -> None:
    found = list(crew.run(partial(units.double, number) for number in range(200)))
    assert found == [2 * number for number in range(200)]


def test_one_run_may_be_begun_while_another_is_under_way(units: Any, crew: Crew[None]) -> None:
    found = []
    for value in crew.run(partial(units.double, number) for number in range(20)):
        found += crew.run([partial(units.double, value)])
    assert found == [4 * number for number in range(20)]


def test_a_run_that_is_left_leaves_the_crew_of_use(units: Any, crew: Crew[None]) -> None:
    with closing(crew.run(partial(units.double, number) for number in range(100))) as values:
        assert next(values) == 0
    assert list(crew.run([partial(units.double, 21)])) == [42]


def test_an_error_for_the_user_arrives_as_it_is(units: Any, crew: Crew[None]) -> None:
    with pytest.raises(ReadError, match=r"^log:7: no call"):
        list(crew.run([units.fail]))


def test_a_defect_arrives_with_its_place(units: Any, processes: Crew[None]) -> None:
    with pytest.raises(WorkFailed, match="ZeroDivision"):
        list(processes.run([units.break_down]))


def test_a_large_unit_and_a_large_answer_pass(units: Any, processes: Crew[None]) -> None:
    text = "x" * (1 << 21)
    assert list(processes.run([partial(units.double, text)] * 6)) == [2 * text] * 6


def test_a_unit_whose_worker_is_killed_is_done_again(
    units: Any, processes: Crew[None], tmp_path: Path
) -> None:
    work = [partial(units.double, 1), partial(units.end_once, str(tmp_path / "begun"))]
    assert list(processes.run([*work, *work])) == [2, "done", 2, "done"]


def test_a_worker_that_is_killed_while_it_waits_is_replaced(
    units: Any, processes: Crew[None]
) -> None:
    (worker,) = processes.run([units.where])
    os.kill(worker, signal.SIGKILL)
    found = list(processes.run(partial(units.double, number) for number in range(9)))
    assert found == [2 * number for number in range(9)]


def test_what_ends_each_worker_ends_the_run_with_a_reason(
    units: Any, processes: Crew[None]
) -> None:
    with pytest.raises(VmalabError, match="3 workers have ended, one after the other"):
        list(processes.run([units.end]))


def test_a_worker_opens_its_place_once_and_closes_it(units: Any, tmp_path: Path) -> None:
    path = tmp_path / "shop"
    with open_crew(partial(units.shop, str(path)), Staff(2)) as crew:
        assert set(crew.run([units.place_of] * 40)) == {str(path)}
    assert path.read_text().count("open") == 2
    assert path.read_text().count("closed") == 2


@contextmanager
def _closed() -> Iterator[None]:
    raise ReadError("place", 0, "closed today")
    yield


def test_a_place_that_cannot_be_opened_is_told_as_it_is() -> None:
    with pytest.raises(ReadError, match="closed today"), open_crew(_closed, ALONE):
        pass
