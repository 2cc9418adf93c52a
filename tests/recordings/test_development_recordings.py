# SPDX-License-Identifier: GPL-2.0-or-later
"""The development recordings, all of which must replay exactly; `make test-recordings` runs this.

They are too large for the repository: VMALAB_RECORDINGS names the directory that holds them, with
golden/KERNEL/PROFILE-SEED, whose logs hold every fault, and real/KIND/NAME, of real programs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.recordings

# What a log of a real program cannot hold may be adopted, up to this share of its memory calls.
ADOPTED_CAP = 0.02
# What decides a result of a generated recording and is not in it.
ADOPTED_OF_GENERATED = {"unknown configuration", "cut argument"}

VMALAB = Path(sys.executable).with_name("vmalab")

TOP = os.environ.get("VMALAB_RECORDINGS", "")
GOLDEN = sorted(str(path.parent) for path in Path(TOP, "golden").glob("*/*/meta.json"))
REAL = sorted(str(path.parent) for path in Path(TOP, "real").glob("*/*/meta.json"))


def names(paths: list[str]) -> list[str]:
    return [str(Path(path).relative_to(TOP)) for path in paths]


def replay(recording: str) -> dict[str, Any]:
    """What `vmalab replay --json` says of one recording, run as a user runs it."""
    command = [str(VMALAB), "replay", "--json", recording]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def assert_exact(found: dict[str, Any], has_threads: bool = False) -> None:
    """Every result and every map is as the kernel gave it, and the sums are whole.

    has_threads: a map may have been read while another thread was changing it.
    """
    assert found["differences"] == []
    assert found["differ"] == 0
    assert found["predicted"] + found["adopted"] == found["memory_calls"]
    assert sum(found["adopted_reasons"].values()) == found["adopted"]
    assert found["steps_identical"] == found["steps"] or has_threads
    assert found["checkpoints_identical"] == found["checkpoints"]
    assert found["counters_identical"] == found["counters"]
    assert found["final_identical"] is True
    assert found["unparsed"] == 0


def test_there_are_recordings() -> None:
    assert TOP, "VMALAB_RECORDINGS is not set: run make test-recordings"
    assert GOLDEN
    assert REAL


@pytest.mark.parametrize("path", GOLDEN, ids=names(GOLDEN))
def test_generated_recording_replays_exactly(path: str) -> None:
    found = replay(path)
    assert_exact(found)
    assert found["memory_calls"] > 0
    assert found["adopted_reasons"].keys() <= ADOPTED_OF_GENERATED


@pytest.mark.parametrize("path", REAL, ids=names(REAL))
def test_recording_of_a_program_replays_exactly(path: str) -> None:
    events = json.loads(Path(path, "meta.json").read_text("utf-8")).get("events", ())
    assert_exact(replay(path), any(event["event"] == "thread" for event in events))


def test_little_of_programs_is_adopted() -> None:
    done = [replay(path) for path in REAL]
    calls = sum(found["memory_calls"] for found in done)
    assert sum(found["adopted"] for found in done) <= ADOPTED_CAP * calls
