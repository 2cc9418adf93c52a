# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds small recordings on disk, so that each test says what one holds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

PROGRAM = "555555554000-555555556000 r-xp 00000000 fe:00 10" + " " * 25 + "/bin/x"
LOADER = "7f0000100000-7f0000102000 r-xp 00000000 fe:00 11" + " " * 25 + "/lib/ld.so"
STACK = "7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 " + " " * 25 + "[stack]"
CODE = "rd ex mr mw me"
DATA = "rd wr mr mw me ac"
FIRST = [(PROGRAM, CODE), (LOADER, CODE), (STACK, DATA.replace("ac", "gd ac"))]

Line = tuple[str, str]
Make = Callable[..., Path]


def anonymous(start: int, end: int, perms: str = "rw-p", flags: str = DATA) -> Line:
    """A line of an anonymous mapping and its VmFlags; start and end in bytes."""
    return (f"{start:x}-{end:x} {perms} 00000000 00:00 0 ", flags)


def smaps(lines: list[Line]) -> str:
    """The text of a snapshot."""
    return "".join(f"{line}\nVmFlags: {flags} \n" for line, flags in lines)


def step(head: str, *lines: Line) -> str:
    """The text of one step: its head without @, and the lines that it puts in."""
    return f"@{head}\n" + "".join(f"{line} | {flags} \n" for line, flags in lines)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes a recording of one process image, 50.1, and answers its folder.

    log: its lines. steps, final: texts; "" and None for no such file. meta: more keys of meta.json.
    """

    def write(
        log: str,
        steps: str | None = "",
        final: list[Line] | None = None,
        meta: dict[str, Any] | None = None,
        first: list[Line] = FIRST,
    ) -> Path:
        folder = tmp_path / "recording"
        image = folder / "images" / "50.1"
        image.mkdir(parents=True)
        (folder / "calls.strace").write_text(log, "utf-8")
        (image / "initial.smaps").write_text(smaps(first), "utf-8")
        if steps is not None:
            (image / "steps.txt").write_text(steps, "utf-8")
        if final is not None:
            (image / "final.smaps").write_text(smaps(final), "utf-8")
        about = {
            "format": 1,
            "kernel": {"release": "6.18.44"},
            "sysctl": {"kernel.randomize_va_space": 2},
            "steps": "smaps",
            "events": [{"after_line": 0, "event": "exec", "pid": 50, "image": "50.1"}],
            "images": {
                "50.1": {
                    "rlimits": {"STACK": [8388608, None]},
                    "mm": {"start_brk": "0x555555560000", "start_stack": "0x7ffd0001ff00"},
                }
            },
        }
        (folder / "meta.json").write_text(json.dumps(about | (meta or {})), "utf-8")
        return folder

    return write


@pytest.fixture
def replayed() -> Callable[..., ReplayReport]:
    """Replays what a path holds."""

    def replay(path: Path, **options: Any) -> ReplayReport:
        return Replay(RecordingFiles(str(path)), Options(**options)).run()

    return replay
