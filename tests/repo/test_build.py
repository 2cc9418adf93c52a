# SPDX-License-Identifier: GPL-2.0-or-later
"""What is compiled, and when: the build's own decisions, without building anything."""

import re
import subprocess
import sys
from pathlib import Path

import pytest


def why_not(root: Path, **environment: str) -> str:
    """What the build backend says against compiling, in an environment."""
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    code = "import backend; print(backend.why_not())"
    path = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root / "tools")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=path | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_switch_keeps_it_plain(root: Path) -> None:
    assert why_not(root, VMALAB_COMPILE="0") == "VMALAB_COMPILE=0 says so"


def test_a_compiler_that_is_not_there_is_named(root: Path) -> None:
    assert why_not(root, CC="no-such-compiler") == "there is no C compiler (no-such-compiler)"


def compiled(root: Path) -> list[str]:
    """What setup.py compiles: folders and files of the package."""
    text = (root / "setup.py").read_text("utf-8")
    unit = re.search(r"^UNIT = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    assert unit is not None
    names = re.findall(r'"([^"]+)"', unit.group(1))
    assert {"linux", "calls"} <= set(names)
    return names


def test_what_is_compiled_is_there(root: Path) -> None:
    names = compiled(root)
    assert [name for name in names if not (root / "src/vmalab" / name).exists()] == []


def test_the_tests_of_what_is_compiled_run_compiled(root: Path) -> None:
    text = (root / "tests/conftest.py").read_text("utf-8")
    listed = re.search(r"^COMPILED = \((.*?)\)", text, re.MULTILINE | re.DOTALL)
    assert listed is not None
    named = re.findall(r'"([^"]+)"', listed.group(1))
    folders = {name.removesuffix(".py").rpartition("/")[0] or name for name in compiled(root)}
    inside = {folder for folder in folders for one in named if f"{folder}/".startswith(f"{one}/")}
    assert folders - inside == set()
    assert [one for one in named if not (root / "tests" / one).exists()] == []


def test_nothing_compiled_lies_beside_the_sources(root: Path) -> None:
    assert list((root / "src").rglob("*.so")) == []


def test_a_source_archive_can_be_built(root: Path) -> None:
    assert "include tools/backend.py" in (root / "MANIFEST.in").read_text("utf-8")


# What stands for setuptools: fails while the engine is to be compiled.
FAILING = """
import backend
from setuptools import build_meta

def build_wheel(*arguments):
    reason = backend.why_not()
    if not reason:
        raise SystemExit("error: No space left on device")
    return reason

build_meta.build_wheel = build_wheel
print(backend.build_wheel("dist"))
"""


def build(root: Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Build a wheel where compiling fails half-way."""
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    for name in ("lib.linux", "temp.linux", "compiled"):
        (folder / "build" / name).mkdir(parents=True)
    return subprocess.run(
        [sys.executable, "-c", FAILING],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root / "tools")} | environment,
        cwd=folder,
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )


@pytest.fixture
def compiler(tmp_path: Path) -> str:
    """A compiler that takes anything, so that compiling begins."""
    path = tmp_path / "cc"
    path.write_text("#!/bin/sh\nexit 0\n")
    path.chmod(0o755)
    return str(path)


def test_compiling_that_fails_leaves_plain_python(
    root: Path, tmp_path: Path, compiler: str
) -> None:
    done = build(root, tmp_path, CC=compiler)
    assert done.returncode == 0
    assert done.stdout == "it could not be compiled (error: No space left on device)\n"
    assert re.fullmatch(
        r"vmalab: compiling the engine on \d+ processors: about \d+ s \(VMALAB_COMPILE=0 .*\)\n",
        done.stderr,
    )
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["compiled"]


def test_who_wants_it_compiled_gets_an_error(root: Path, tmp_path: Path, compiler: str) -> None:
    done = build(root, tmp_path, CC=compiler, VMALAB_COMPILE="1")
    assert done.returncode == 1
    assert done.stderr.endswith("error: No space left on device\n")


def test_who_wants_it_compiled_needs_a_compiler(root: Path, tmp_path: Path) -> None:
    done = build(root, tmp_path, CC="no-such-compiler", VMALAB_COMPILE="1")
    assert done.returncode == 1
    assert (
        done.stderr == "vmalab: VMALAB_COMPILE=1, but there is no C compiler (no-such-compiler)\n"
    )


def test_the_training_needs_no_more_than_a_build_has(root: Path) -> None:
    absent = (
        "pyarrow",
        "jinja2",
        "textual",
        "elftools",
        "symbolic",
        "fsspec",
        "pytest",
        "hypothesis",
    )
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
        "import importlib.util; importlib.util.find_spec = lambda name: None\n"
        "import training; training.train(40)"
    )
    path = f"{root / 'src'}:{root / 'tools'}"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, check=True)


def test_an_archive_has_what_building_needs(root: Path) -> None:
    archived = {
        "setup.py",
        *re.findall(r"tools/\w+\.py", (root / "MANIFEST.in").read_text("utf-8")),
    }
    texts = [(root / name).read_text("utf-8") for name in archived]
    needed = {
        f"tools/{name}.py"
        for text in texts
        for name in re.findall(r"^ *from (\w+) import", text, re.MULTILINE)
    } | {name for text in texts for name in re.findall(r"\"(tools/\w+\.py)\"", text)}
    needed = {name for name in needed if (root / name).exists()}
    assert {"tools/backend.py", "tools/build_ext.py", "tools/training.py"} <= needed <= archived
