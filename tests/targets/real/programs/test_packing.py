# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest gets all that its programs need, by the names that they look for."""

import marshal
import shutil
import sys
from pathlib import Path

import pytest

from vmalab.targets.real.programs.elf_files import elf_files
from vmalab.targets.real.programs.python_files import FOLDER, python_files
from vmalab.targets.real.target_errors import TargetError

CODE_AT = 16


def test_a_program_comes_with_its_loader_and_libraries() -> None:
    program = shutil.which("ls")
    assert program is not None
    files = elf_files(program)
    assert files[program.lstrip("/")].program
    assert "lib64/ld-linux-x86-64.so.2" in files
    assert any(name.endswith("/libc.so.6") for name in files)


@pytest.mark.parametrize("content", [b"", b"#!/bin/sh\n", b"\x7fELF\x01" + bytes(80)])
def test_what_is_no_program_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(TargetError, match="no program of 64 bits"):
        elf_files(str(tmp_path / "file"))


def test_a_missing_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="No such file"):
        elf_files(str(tmp_path / "gone"))


def test_modules_come_as_code_with_all_that_they_import() -> None:
    files = python_files(["vmalab.recording.tracer.session"])
    top = FOLDER.lstrip("/")
    assert f"{top}/vmalab/recording/tracer/ptrace.pyc" in files
    assert f"{top}/encodings/utf_8.pyc" in files
    assert f"{top}/json/__init__.pyc" in files
    assert any(name.startswith(f"{top}/_ctypes.") for name in files)
    assert any("libffi" in name for name in files) or "_ctypes" in sys.builtin_module_names
    raw = files[f"{top}/vmalab/__init__.pyc"].content
    assert marshal.loads(raw[CODE_AT:]).co_name == "<module>"


def test_a_missing_module_is_refused() -> None:
    with pytest.raises(TargetError, match="No module named 'no_such_module'"):
        python_files(["no_such_module"])
