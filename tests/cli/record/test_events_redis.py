# SPDX-License-Identifier: GPL-2.0-or-later
"""redis-server under load, which forks to save: recorded by events from its start, and attached."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.record.conftest import COMMAND, exact, heed_signals, wait_until

TOOLS = ("redis-server", "redis-benchmark", "redis-cli")


class Redis:
    """A server on a socket of its own. prefix: what starts it."""

    def __init__(self, folder: Path, prefix: list[str]) -> None:
        self._socket = folder / "socket"
        words = ["redis-server", "--port", "0", "--unixsocket", str(self._socket), "--save", ""]
        self.process = subprocess.Popen(
            [*prefix, *words, "--dir", str(folder)],
            stdout=subprocess.DEVNULL,
            preexec_fn=heed_signals,
        )
        wait_until(lambda: self.ask("ping") == "PONG")

    def ask(self, *words: str) -> str:
        """What the server answers."""
        command = ["redis-cli", "-s", str(self._socket), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def keep_busy(self, requests: int) -> subprocess.Popen[bytes]:
        """Start a benchmark: lists and strings of a kilobyte, with different keys."""
        words = ["-t", "set,lpush,hset", "-n", str(requests), "-d", "1000", "-r", "100000", "-q"]
        command = ["redis-benchmark", "-s", str(self._socket), *words]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def save(self) -> None:
        """Have it save by a child, and wait for that."""
        self.ask("bgsave")
        wait_until(lambda: "rdb_bgsave_in_progress:0" in self.ask("info", "persistence"))

    def end(self) -> None:
        self.ask("shutdown", "nosave")
        self.process.wait()


@pytest.fixture
def redis(watchable: None, tmp_path: Path) -> Iterator[Callable[..., Redis]]:
    """Starts servers, and ends those that are left."""
    if any(shutil.which(tool) is None for tool in TOOLS):
        pytest.skip("redis is not on this machine")
    running: list[Redis] = []

    def start(*prefix: str) -> Redis:
        running.append(Redis(tmp_path, list(prefix)))
        return running[-1]

    yield start
    for one in running:
        one.end()


@pytest.mark.slow
def test_a_server_that_forks_is_recorded_from_its_start(
    redis: Callable[..., Redis], tmp_path: Path
) -> None:
    server = redis(*COMMAND, "record", "--tracer", "events", "-o", str(tmp_path / "r"), "--")
    with server.keep_busy(20_000) as load:
        server.save()
        load.wait()
    server.save()
    server.end()
    report = exact(tmp_path / "r")
    assert len(report.images) == 3
    assert report.total.memory_calls > 50
    assert report.total.final_identical is True


@pytest.mark.slow
def test_a_busy_server_is_attached_to_and_forks(
    redis: Callable[..., Redis], tmp_path: Path
) -> None:
    server = redis()
    command = [*COMMAND, "record", "--tracer", "events", "-o", str(tmp_path / "r")]
    with server.keep_busy(10_000_000) as load:
        words = [*command, "-p", str(server.process.pid)]
        with subprocess.Popen(words, preexec_fn=heed_signals) as recorder:
            wait_until((tmp_path / "r" / "events.raw").exists)
            wait_until(lambda: (tmp_path / "r" / "events.raw").stat().st_size > 1 << 16)
            server.save()
            recorder.terminate()
            assert recorder.wait() == 0
        load.kill()
    report = exact(tmp_path / "r")
    assert len(report.images) == 2
    assert report.total.memory_calls > 0
    assert report.total.final_identical is True
