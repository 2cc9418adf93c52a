# SPDX-License-Identifier: GPL-2.0-or-later
"""Call stacks by the kernel's events are those that a tracer finds in the held program."""

import subprocess
from collections import Counter
from pathlib import Path

import pytest
from tests.cli.record.conftest import COMMAND, exact

from vmalab.calls.call import Call
from vmalab.recording.events.libunwind import FRAME_POINTERS, walks_by
from vmalab.recording.opening import open_recording

WATCHED = ("mmap", "munmap", "mprotect", "madvise")


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory, churn: Path) -> Path:
    """A program without frame pointers whose calls come from several depths, and threads."""
    program = tmp_path_factory.mktemp("nested") / "nested"
    source = Path(__file__).with_name("nested.c")
    words = ["cc", "-O2", "-fomit-frame-pointer", "-w", "-pthread", "-o", program, source]
    subprocess.run(words, check=True)
    return program


def stacks(folder: Path) -> Counter[tuple[str, tuple[str, ...]]]:
    """How often each call was made from each stack."""
    found: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for batch in open_recording(str(folder)).log().batches():
        for event in batch:
            if isinstance(event, Call) and event.name in WATCHED:
                found[event.name, tuple(event.stack or ())] += 1
    return found


@pytest.fixture(scope="module")
def held(traceable: None, nested: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program recorded by ptrace."""
    folder = tmp_path_factory.mktemp("held") / "r"
    words = ["record", "--tracer", "ptrace", "-k", "-o", str(folder), "--", str(nested)]
    subprocess.run([*COMMAND, *words], capture_output=True, check=True)
    return folder


@pytest.mark.parametrize("tracer", ["events", pytest.param("perf", marks=pytest.mark.slow)])
def test_stacks_are_those_of_a_held_program(
    held: Path, nested: Path, tmp_path: Path, tracer: str
) -> None:
    if walks_by() == FRAME_POINTERS:
        pytest.skip("libunwind is not on this machine")
    words = ["record", "--tracer", tracer, "-k", "-o", "r", "--", str(nested)]
    done = subprocess.run(
        [*COMMAND, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    if "cannot be recorded" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    found = stacks(tmp_path / "r")
    assert sum(found.values()) > 60
    assert max(len(stack) for _, stack in found) > 20
    assert found == stacks(held)
    exact(tmp_path / "r")
    assert not (tmp_path / "r" / "events.raw").exists()
    # By events there are stacks of more calls.
    names = [(folder / "frames.jsonl").read_text() for folder in (held, tmp_path / "r")]
    places = {line for line in names[0].splitlines() if "grow" in line or "deeper" in line}
    assert len(places) >= 4
    assert places <= set(names[1].splitlines())
