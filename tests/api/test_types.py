# SPDX-License-Identifier: GPL-2.0-or-later
"""The library's types, as mypy and pyright see them from a program, right or wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vmalab

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).with_name("typed_sample.py")
CHECKERS = {
    "mypy": ("mypy", "--strict", "--no-error-summary"),
    "pyright": ("pyright", "--pythonpath", sys.executable),
}
WRONG = """\
from vmalab import AddressSpace, Recording

space = AddressSpace(kernel=6.18)
space.mmap("0", 4096)
space.no_such_call()
Recording.open(3)
space.counters["vmas"].name
"""
WRONG_LINES = [3, 4, 5, 6, 7]


@pytest.fixture(params=CHECKERS)
def checker(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The command of a type checker."""
    name, *options = CHECKERS[request.param]
    pytest.importorskip(name, reason=f"{name} is not installed (extras lint, types)")
    return (sys.executable, "-m", name, *options)


def complaints(checker: tuple[str, ...], path: Path) -> list[int]:
    """The lines of a file that a type checker complains of, or its last words as an error."""
    done = subprocess.run(
        [*checker, str(path)],
        cwd=ROOT,
        env=os.environ | {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = re.findall(rf"{path.name}:(\d+)(?::\d+)?(?: -|:) error", done.stdout)
    assert bool(found) == bool(done.returncode), done.stdout + done.stderr
    return sorted({int(line) for line in found})


def test_a_typed_program_passes(checker: tuple[str, ...]) -> None:
    assert complaints(checker, SAMPLE) == []


def test_the_typed_program_uses_every_public_name() -> None:
    words = set(re.findall(r"\w+", SAMPLE.read_text("utf-8")))
    # Which historic bug the engine has is for tests.
    assert set(vmalab.__all__) - words == {"MUTANT"}


def test_wrong_uses_are_found(checker: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(WRONG)
    assert complaints(checker, path) == WRONG_LINES
