# SPDX-License-Identifier: GPL-2.0-or-later
"""The pytest plugin: cases are collected, fixtures check at the end, options choose the rules."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

CASE = """
case held: a new range beside an equal VMA joins it
  A = rw-p
  pages     10    12    14
  before    |AAAAA|
  call      mmap_region 12-14 A
  after     |AAAAAAAAAAA|
"""
TESTS = '''
from vmalab.linux.arch.x86.entry.syscalls.table import do_syscall

def test_machine(vmalab_machine):
    task = vmalab_machine.spawn()
    assert do_syscall(task, "mmap", 0x100000, 0x1000, 3, 0x32, 2**64 - 1, 0) == 0x100000

def test_layout(vmalab_layout):
    bench = vmalab_layout("""
  A = rw-p a1
  pages   10    12
  layout  |AAAAA|
""")
    assert len(bench.vmas()) == 1

def test_mm(vmalab_mm):
    assert vmalab_mm.vmas() == []

def test_leak(vmalab_mm):
    vmalab_mm.kernel.committed_as += 1
'''


def run(folder: Path, *args: str) -> str:
    """Run pytest in a folder with the plugin: what it prints."""
    installed = any(one.value == "vmalab.pytest_plugin" for one in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "vmalab.pytest_plugin"]
    # Those take most of the time, and nothing of them is used.
    plugin += ["-p", "no:hypothesispytest", "-p", "no:xdist"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, *args]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    # pytest says on standard error what is wrong with its options.
    return done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a user's tests."""
    (tmp_path / "mine.vma").write_text(CASE, "utf-8")
    (tmp_path / "test_mine.py").write_text(TESTS, "utf-8")
    return tmp_path


def test_cases_and_fixtures_run(folder: Path) -> None:
    said = run(folder)
    assert "4 passed, 1 error" in said or "5 passed, 1 error" in said
    assert "1 pages are charged" in said


def test_shipped_cases_can_be_asked_for(folder: Path) -> None:
    # Two of the shipped ones and one of the file.
    assert "3 passed" in run(folder, "mine.vma", "--vmalab-cases", "syscalls/mmap_*")


def test_a_failure_is_a_drawing(folder: Path) -> None:
    broken = CASE.replace("|AAAAAAAAAAA|", "|AAAAA|")
    (folder / "mine.vma").write_text(broken, "utf-8")
    said = run(folder, "mine.vma")
    assert "the layout is not as expected" in said
    assert "expected  |" in said


def test_what_is_no_case_is_told_without_a_traceback(folder: Path) -> None:
    (folder / "broken.vma").write_text("case held: it has a letter\n  A = rw-p zz\n", "utf-8")
    said = run(folder, "broken.vma")
    assert "broken.vma:2: 'zz' is no VmFlags word" in said
    assert "parser.py" not in said


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--vmalab-kernel", "5.4", "--vmalab-kernel: a kernel is one of"),
        ("--vmalab-seam", "nope.py", "--vmalab-seam: nope.py: no such file"),
        ("--vmalab-seam", "broken.py", "--vmalab-seam: broken.py: cannot be loaded: SyntaxError"),
        ("--vmalab-seam", "empty.py", "--vmalab-seam: empty.py: one subclass of VmaInternal"),
    ],
)
def test_an_option_that_is_of_no_use_is_refused(
    folder: Path, option: str, value: str, why: str
) -> None:
    (folder / "broken.py").write_text("def\n")
    (folder / "empty.py").write_text("")
    said = run(folder, "test_mine.py", option, value)
    assert f"ERROR: {why}" in said
    assert "Traceback" not in said
    assert "passed" not in said


def test_the_plugin_loads_nothing_before_it_is_used() -> None:
    """What it costs every pytest: a small module and the package's own, a few milliseconds."""
    code = (
        "import sys, pytest; before = set(sys.modules); import vmalab.pytest_plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.startswith("vmalab")] == [
        "vmalab",
        "vmalab.pytest_plugin",
    ]
    assert len(loaded) < 10, loaded
