# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiled and interpreted are one engine: the same streams, answer by answer and map by map."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import vmalab

DIGESTS = Path(__file__).with_name("digests.py")
CALLS = 300


def digests(seed: int, interpreted: bool) -> list[str]:
    """What the program prints in one of the modes."""
    environment = {**os.environ, "VMALAB_INTERPRETED": "1" if interpreted else ""}
    # The package that is under test, wherever it was found.
    environment["PYTHONPATH"] = str(Path(vmalab.__file__).parents[1])
    command = [sys.executable, str(DIGESTS), str(seed), str(CALLS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_tests_run_in_the_mode_they_are_meant_for() -> None:
    meant = os.environ.get("VMALAB_TEST_MODE")
    if meant is None:
        pytest.skip("VMALAB_TEST_MODE does not say which mode is meant; `make test` sets it")
    assert (meant == "compiled") == vmalab.COMPILED


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_both_modes_do_the_same(seed: int) -> None:
    if not vmalab.COMPILED:
        pytest.skip("the engine is not compiled here; `make test` compiles it where it can")
    compiled = digests(seed, interpreted=False)
    interpreted = digests(seed, interpreted=True)
    assert (compiled[0], interpreted[0]) == ("compiled", "interpreted")
    assert len(compiled) > 10
    assert compiled[1:] == interpreted[1:]
