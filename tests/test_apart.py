# SPDX-License-Identifier: GPL-2.0-or-later
"""Generators in processes of their own: what they yield, their errors and their ends arrive."""

import importlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import repeat
from pathlib import Path

import pytest

from vmalab.apart import apart
from vmalab.calls.errors import ReadError, VmalabError
from vmalab.recording.format.meta import parse_meta
from vmalab.targets.opening import open_target
from vmalab.testing.mutants.run_mutant import failures

BUG = "munmap_of_an_end_needs_room"
CASE = "munmap/limit_end"
# Where a process is shown while it is there, as it sees it itself.
WHERE = partial(map, os.path.realpath, repeat("/proc/self"))
# A generator that has something open for as long as it is there.
HOLDING = """
import atexit, os, signal, threading

def hold(path):
    with open(path, "x") as file:
        file.write(str(os.getpid()))
    try:
        yield path
        threading.Event().wait()
    finally:
        # Closing takes its time.
        threading.Event().wait(0.2)
        os.unlink(path)

def told_again(path):
    # The signal comes a second time as the interpreter ends.
    atexit.register(os.kill, os.getpid(), signal.SIGTERM)
    yield from hold(path)
"""
# A process that starts one of them and waits, for an interrupt too.
STARTING = """
import signal, sys
from functools import partial
from holding import hold
from vmalab.apart import apart

signal.signal(signal.SIGINT, signal.default_int_handler)
for path in apart(partial(hold, sys.argv[1])):
    print(path, flush=True)
"""


@pytest.fixture
def holding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the module `holding`, which all processes can import."""
    (tmp_path / "holding.py").write_text(HOLDING)
    monkeypatch.syspath_prepend(tmp_path)
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)
    yield tmp_path
    sys.modules.pop("holding", None)


def test_what_a_generator_yields_arrives_in_order() -> None:
    assert list(apart(partial(range, 3))) == [0, 1, 2]


def test_a_second_signal_does_not_meet_the_interpreter_as_it_ends(
    holding: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told_again = importlib.import_module("holding").told_again
    process = apart(partial(told_again, str(holding / "open")))
    next(process)
    process.close()
    assert not (holding / "open").exists()
    assert capfd.readouterr().err == ""


def test_a_process_that_is_not_heard_any_more_ends() -> None:
    items = apart(WHERE)
    place = next(items)
    assert os.path.isdir(place)
    assert place != os.path.realpath("/proc/self")
    items.close()
    assert not os.path.exists(place)


def test_a_process_that_is_told_to_end_closes_what_it_has_open(holding: Path) -> None:
    file = holding / "file"
    items = apart(partial(importlib.import_module("holding").hold, str(file)))
    assert next(items) == str(file)
    assert file.exists()
    items.close()
    assert not file.exists()


def test_a_process_ends_with_the_one_that_started_it(holding: Path) -> None:
    file = holding / "file"
    command = [sys.executable, "-c", STARTING, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline()
        child = os.pidfd_open(int(file.read_text()))
        try:
            parent.kill()
            assert select.select([child], [], [], 60)[0]
        finally:
            os.close(child)


def test_an_interrupt_from_the_keyboard_lets_all_close_what_they_have_open(holding: Path) -> None:
    file = holding / "file"
    command = [sys.executable, "-c", STARTING, str(file)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, process_group=0
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline()
        assert file.exists()
        os.killpg(parent.pid, signal.SIGINT)
    assert not file.exists()


def test_an_error_for_the_user_is_raised() -> None:
    with pytest.raises(VmalabError, match="no such target"):
        list(apart(partial(open_target, "dead")))


def test_an_error_with_a_place_keeps_it() -> None:
    with pytest.raises(ReadError) as found:
        list(apart(partial(parse_meta, b"{", "here")))
    assert found.value.path == "here"


def test_a_process_that_dies_is_an_error() -> None:
    with pytest.raises(VmalabError, match="has ended"):
        list(apart(partial(map, os._exit, [3])))


@pytest.mark.parametrize(("mutant", "failed"), [("", []), (BUG, [CASE])])
def test_its_engine_has_the_bug_and_this_one_has_not(mutant: str, failed: list[str]) -> None:
    assert list(apart(partial(failures, [CASE]), mutant)) == failed
    assert list(failures([CASE])) == []
