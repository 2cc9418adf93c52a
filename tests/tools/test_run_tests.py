# SPDX-License-Identifier: GPL-2.0-or-later
"""`make test` runs each test once, and ends well only where all did."""

import subprocess
import sys
from pathlib import Path

import pytest
from run_tests import outcome

TOOL = Path(__file__).parents[2] / "tools" / "run_tests.py"
# Stand for pytest and for the compiling of the engine: they say how they were started.
PYTEST = """
import os, sys
mode = os.environ["VMALAB_TEST_MODE"]
print(mode, os.environ.get("PYTHONPATH", "-"), *sys.argv[5:], flush=True)
sys.exit(int(os.environ.get(mode, 0)))
"""
COMPILED = """
import os, sys
print("told by the compiler", file=sys.stderr)
sys.exit(int(os.environ["compiling"]))
"""


def run(folder: Path, *arguments: str, **environment: str) -> tuple[int, list[str], str]:
    """The status of the tool, the runs of pytest, and its messages, in a folder."""
    (folder / "pytest.py").write_text(PYTEST)
    (folder / "tools").mkdir()
    (folder / "tools" / "compiled.py").write_text(COMPILED)
    done = subprocess.run(
        [sys.executable, str(TOOL), *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "CC": "true", "compiling": "0", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_those_of_the_engine_run_compiled_and_the_others_before(tmp_path: Path) -> None:
    status, runs, said = run(tmp_path, "-k", "a or b")
    assert (status, runs) == (0, ["rest - -k a or b", "compiled build/compiled -k a or b"])
    assert "told by the compiler" in said


def test_without_a_compiler_all_run_interpreted(tmp_path: Path) -> None:
    status, runs, said = run(tmp_path, CC="no-such-compiler", compiling="3")
    assert (status, runs) == (0, ["interpreted -"])
    assert "told by the compiler" in said


def test_a_failure_is_the_end(tmp_path: Path) -> None:
    status, runs, _ = run(tmp_path, rest="1")
    assert (status, runs) == (1, ["rest -"])


def test_what_cannot_be_compiled_fails(tmp_path: Path) -> None:
    status, runs, _ = run(tmp_path, compiling="4")
    assert (status, runs) == (4, ["rest -"])


@pytest.mark.parametrize(
    ("statuses", "chosen", "expected"),
    [
        ([0, 0], False, 0),
        ([0, 1], False, 1),
        ([0, 5], False, 5),
        ([5, 0], False, 5),
        ([5], False, 5),
        ([0, 5], True, 0),
        ([5, 0], True, 0),
        ([5, 1], True, 1),
        ([5, 5], True, 5),
        ([5], True, 5),
    ],
    ids=str,
)
def test_chosen_tests_may_be_of_one_mode_only(
    statuses: list[int], chosen: bool, expected: int
) -> None:
    assert outcome(statuses, chosen) == expected
