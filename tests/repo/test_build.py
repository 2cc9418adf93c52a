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


def test_what_is_compiled_is_there(root: Path) -> None:
    text = (root / "setup.py").read_text("utf-8")
    unit = re.search(r"^UNIT = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    assert unit is not None
    names = re.findall(r'"([^"]+)"', unit.group(1))
    assert {"linux", "calls"} <= set(names)
    assert [name for name in names if not (root / "src/vmalab" / name).exists()] == []


def test_nothing_compiled_lies_beside_the_sources(root: Path) -> None:
    assert list((root / "src").rglob("*.so")) == []


def test_a_source_archive_can_be_built(root: Path) -> None:
    assert "include tools/backend.py" in (root / "MANIFEST.in").read_text("utf-8")
