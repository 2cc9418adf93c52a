# SPDX-License-Identifier: GPL-2.0-or-later
"""The development recordings that must replay exactly; `make test-recordings` runs this.

They are too large for the repository: VMALAB_RECORDINGS names the directory that holds them.
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
ADOPTED_CAP = 0.01

VMALAB = Path(sys.executable).with_name("vmalab")

PROGRAMS = ["python-imports", "python-imports-raw", "git-log", "gcc-cc1", "perl", "sqlite3", "bash"]
PROFILES = ["dense", "place", "mremap", "file", "anonvma", "lock"]


def replay(recording: str) -> dict[str, Any]:
    """What `vmalab replay --json` says of one recording, run as a user runs it."""
    top = os.environ.get("VMALAB_RECORDINGS")
    assert top, "VMALAB_RECORDINGS is not set: run make test-recordings"
    command = [str(VMALAB), "replay", "--json", str(Path(top, recording))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def assert_exact(found: dict[str, Any]) -> None:
    """Every result and every map is as the kernel gave it, and the sums are whole."""
    assert found["differences"] == []
    assert found["differ"] == 0
    assert found["predicted"] + found["adopted"] == found["memory_calls"] > 0
    assert sum(found["adopted_reasons"].values()) == found["adopted"]
    assert found["steps_identical"] == found["steps"]
    assert found["checkpoints_identical"] == found["checkpoints"]
    assert found["final_identical"]
    assert found["unparsed"] == 0


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_replays_without_a_difference(name: str) -> None:
    found = replay(f"real/prog/{name}")
    assert_exact(found)
    assert found["adopted"] < ADOPTED_CAP * found["memory_calls"]


@pytest.mark.parametrize("profile", PROFILES)
def test_golden_recording_replays_with_nothing_adopted(profile: str) -> None:
    found = replay(f"golden/6.18.44/{profile}-1")
    assert_exact(found)
    assert found["adopted"] == 0
