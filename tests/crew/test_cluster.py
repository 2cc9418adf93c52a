# SPDX-License-Identifier: GPL-2.0-or-later
"""A crew of a Dask cluster: two of four workers are killed on the way, and nothing is lost."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from make_fleet import make_fleet

from vmalab.calls.errors import UsageError
from vmalab.check.campaign import Plan, Totals, run_plan
from vmalab.crew.open_crew import nowhere, open_crew
from vmalab.crew.staff import Staff
from vmalab.fleet.account import Asked
from vmalab.fleet.report import FleetSurvey, find_all, survey_fleet
from vmalab.fleet.scenarios import Scenario
from vmalab.targets.real.live import LiveTarget
from vmalab.targets.real.target_errors import TargetError
from vmalab.views.answers.fleet import fleet_answer
from vmalab.views.check import finding_lines

pytestmark = pytest.mark.slow
pytest.importorskip("distributed", reason="distributed is not installed (vmalab[fleet])")
WORKERS = 4
# Seconds that they may take to begin: each loads much, and the machine may be busy.
_PATIENCE = 600


class Cluster:
    """A scheduler and workers, each a process of its own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._file = str(folder / "scheduler.json")
        self._folder = folder
        self._stack = stack
        self._start("scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1")
        self.workers = [self._add_worker() for _ in range(WORKERS)]

    def _add_worker(self) -> "subprocess.Popen[bytes]":
        words = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1")
        return self._start("worker", *words, "--local-directory", str(self._folder))

    def address(self) -> str:
        """Return where the scheduler listens; the workers are there."""
        from distributed import Client

        with Client(scheduler_file=self._file, timeout=_PATIENCE) as client:
            client.wait_for_workers(WORKERS, timeout=_PATIENCE)
            return str(client.scheduler.address)

    def _start(self, what: str, *words: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "dask", what, "--scheduler-file", self._file, *words]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )

        def end() -> None:
            process.kill()
            process.wait()

        self._stack.callback(end)
        return process


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Yield a cluster that ends with the test."""
    with ExitStack() as stack:
        yield Cluster(tmp_path, stack)


def test_two_workers_killed_on_the_way_lose_nothing(
    cluster: Cluster, examples: Path, tmp_path: Path
) -> None:
    fleet = tmp_path / "fleet"
    make_fleet(fleet, 80, 1, [str(examples / "guards"), str(examples / "sqlite3")])
    asked = Asked((Scenario(kernel="7.3"), Scenario(setting=("vm.max_map_count", 100))))
    survey = FleetSurvey((str(fleet),), asked)
    paths = find_all(survey)
    alone = fleet_answer(survey_fleet(survey, paths))
    assert alone["recordings"] == 80
    victims = {5: (cluster.workers[0], signal.SIGKILL), 20: (cluster.workers[1], signal.SIGTERM)}

    def tell(done: int) -> None:
        if done in victims:
            worker, number = victims.pop(done)
            worker.send_signal(number)
            worker.wait()

    shared = replace(survey, staff=Staff(cluster=cluster.address()))
    assert fleet_answer(survey_fleet(shared, paths, tell)) == alone
    assert not victims


def test_a_check_finds_and_counts_the_same(cluster: Cluster) -> None:
    try:
        with LiveTarget():
            pass
    except TargetError as error:
        pytest.skip(str(error))
    bug = "mremap_extends_from_start"
    plan = Plan("live", None, 4_000, 4, ("mremap",))
    found = []
    for staff in (Staff(mutant=bug), Staff(cluster=cluster.address(), mutant=bug)):
        totals: list[Totals] = []
        shrunk = list(run_plan(replace(plan, staff=staff), totals.append))
        shown = [line for one in shrunk for line in finding_lines(one, plan.target)]
        found.append((shown, replace(totals[-1], seconds=0.0)))
    assert found[0][0]
    assert found[0] == found[1]


def test_a_scheduler_that_is_not_there_is_said() -> None:
    with (
        pytest.raises(UsageError, match="no scheduler of a Dask cluster"),
        open_crew(nowhere, Staff(cluster="nonsense://")),
    ):
        pass
