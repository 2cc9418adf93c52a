# SPDX-License-Identifier: GPL-2.0-or-later
"""A wheel and a source archive install into an empty environment without a compiler, and work."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# Nothing that compiles is on this path: only the environment itself.
NO_COMPILER = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}


def run(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a command; Returns: both its outputs. It fails the test where the command fails."""
    done = subprocess.run(
        [str(word) for word in command], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def empty_environment(folder: Path) -> Path:
    """Make an environment with nothing but pip; Returns: its interpreter."""
    venv.create(folder, with_pip=True, symlinks=True)
    return folder / "bin/python"


@pytest.fixture(scope="module")
def archive(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive, made as an index gets it."""
    folder = tmp_path_factory.mktemp("archive")
    python = empty_environment(tmp_path_factory.mktemp("builder") / "empty")
    run(python, "-m", "pip", "install", "build")
    run(python, "-m", "build", "--sdist", "--outdir", folder, root)
    [found] = folder.iterdir()
    return found


@pytest.fixture(scope="module")
def wheel(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel made from the archive as pip makes it, with the engine compiled, little optimised."""
    folder = tmp_path_factory.mktemp("wheel")
    env = os.environ | {"VMALAB_COMPILE": "1", "VMALAB_OPTIMISE": "0"}
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", folder, archive, env=env)
    [found] = folder.glob("*.whl")
    return found


def test_a_wheel_answers_without_a_compiler(root: Path, tmp_path: Path, wheel: Path) -> None:
    assert "-linux_" in wheel.name
    python = empty_environment(tmp_path / "empty")
    env = NO_COMPILER | {"PATH": str(python.parent)}
    run(python, "-m", "pip", "install", "--only-binary=:all:", wheel, env=env)
    said = run(python, root / "tools/smoke.py", root / "examples/sqlite3", env=env)
    assert "engine: compiled" in said
    assert " 0 differ" in said


def test_an_archive_without_a_compiler_is_plain_python(
    root: Path, tmp_path: Path, archive: Path
) -> None:
    python = empty_environment(tmp_path / "empty")
    env = NO_COMPILER | {"PATH": str(python.parent), "CC": "cc"}
    said = run(python, "-m", "pip", "install", "-v", archive, env=env)
    assert "vmalab: installing the engine as plain Python: there is no C compiler (cc)" in said
    env["VMALAB_COMPILE"] = "0"
    said = run(python, root / "tools/smoke.py", root / "examples/sqlite3", env=env)
    assert "engine: interpreted" in said
    assert " 0 differ" in said


def test_a_repaired_wheel_names_the_systems_that_it_runs_on(
    root: Path, tmp_path: Path, wheel: Path
) -> None:
    pytest.importorskip("auditwheel", reason="auditwheel is not installed (extra wheel)")
    copy = tmp_path / wheel.name
    copy.write_bytes(wheel.read_bytes())
    run(sys.executable, root / "tools/repair.py", tmp_path)
    [repaired] = tmp_path.iterdir()
    assert "manylinux_2_" in repaired.name
