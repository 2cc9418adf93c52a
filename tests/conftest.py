# SPDX-License-Identifier: GPL-2.0-or-later
"""What all tests share: which of them run twice, how Hypothesis looks for a failure, examples."""

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import settings

from vmalab.cli.main import main

from .small_recordings import make, replayed

TESTS = Path(__file__).parent
# The tests that `make test` runs with the engine compiled: those of the folders that have compiled
# modules (UNIT in setup.py), and those that drive the engine as a whole. It runs the others with
# the engine interpreted: most of what they run is Python in both modes. Historic bugs are always
# put into an interpreted engine.
COMPILED = (
    "api/test_recording.py",
    "api/test_space.py",
    "bench/test_bench.py",
    "calls",
    "check",
    "differential",
    "explain/blame",
    "explain/enomem",
    "explain/history",
    "explain/travel",
    "explain/whatif",
    "explain/why",
    "fleet",
    "linux",
    "recording/format",
    "recording/readers",
    "replay",
    "scenarios",
    "targets",
    "test_mutated.py",
    "testing/cases",
    "testing/seams/test_seams.py",
    "testing/sweep",
    "testing/walks",
    "twin",
    "views/html",
)
# Among these, what needs an interpreted engine.
INTERPRETED = ("explain/enomem/test_functions.py",)

__all__ = ("examples", "make", "replayed")

# A shell that starts the tests in the background has them, and all that they start, ignore SIGINT;
# some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: two busy cores make any single example slow now and then, and that says nothing.
settings.register_profile("vmalab", deadline=None, print_blob=True)
settings.load_profile("vmalab")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no cycles while tests are collected, nor later in what that leaves.

    Nearly all of it stays until the end: a third of the time would be spent in vain.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what runs in the other mode (tools/run_tests.py), unless tests were named."""
    mode = os.environ.get("VMALAB_TEST_MODE")
    names_none = [Path(arg).resolve() for arg in config.args] == [TESTS]
    if mode not in ("compiled", "rest") or not names_none or collection_path == TESTS:
        return None
    name = collection_path.relative_to(TESTS).as_posix()
    below = any(one.startswith(f"{name}/") for one in (*COMPILED, *INTERPRETED))
    compiled = is_in(name, COMPILED) and not is_in(name, INTERPRETED)
    return None if below or compiled == (mode == "compiled") else True


def is_in(name: str, listed: tuple[str, ...]) -> bool:
    """Whether a path is one of a list, or below one."""
    return any(name == one or name.startswith(f"{one}/") for one in listed)


@pytest.fixture
def examples() -> Path:
    """The small real recordings of the repository."""
    return Path(__file__).parent.parent / "examples"


@pytest.fixture
def vmalab_here(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command in an empty folder, as a process of its own would, but in this one."""

    def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["vmalab", *map(str, args)])
        streams, threshold = (sys.stdout, sys.stderr), gc.get_threshold()
        capfd.readouterr()
        try:
            with pytest.raises(SystemExit) as end:
                main()
        finally:
            sys.stdout.flush()
            sys.stdout, sys.stderr = streams
            gc.set_threshold(*threshold)
        said = capfd.readouterr()
        assert "Traceback" not in said.err
        assert isinstance(end.value.code, int)
        return subprocess.CompletedProcess(args, end.value.code, said.out, said.err)

    return run
