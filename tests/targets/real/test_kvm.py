# SPDX-License-Identifier: GPL-2.0-or-later
"""KVM that does not work here is tried once after each start of the machine."""

import subprocess
import sys
from pathlib import Path

import pytest

ASK = "from vmalab.targets.real import kvm; kvm.DEVICE = '/dev/null'; print(kvm.may_use_kvm())"
FAIL = "from vmalab.targets.real import kvm; kvm.note_failure('KVM internal error. Suberror: 1')"
LATE = "from vmalab.targets.real import kvm; kvm.note_failure('')"


@pytest.fixture
def say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the note of a process with a cache of its own lies."""
    monkeypatch.setenv("VMALAB_CACHE", str(tmp_path / "cache"))
    return str(tmp_path / "cache" / "kvm-failed")


def run(words: str) -> str:
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_failure_is_known_to_other_processes_until_the_next_start(say: str) -> None:
    assert run(ASK) == "True"
    run(LATE)
    assert run(ASK) == "True"
    assert run(f"{LATE}; {ASK}") == "False"
    run(FAIL)
    assert run(ASK) == "False"
    Path(say).write_text("another start\n", "ascii")
    assert run(ASK) == "True"


@pytest.mark.parametrize("note", [b"", b"\xff" * 300, b"x" * 100000])
def test_a_note_that_says_nothing_is_passed_over(say: str, note: bytes) -> None:
    Path(say).parent.mkdir()
    Path(say).write_bytes(note)
    assert run(ASK) == "True"
