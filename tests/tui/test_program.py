# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs on a terminal: no byte ends them with a traceback, and Ctrl-C always ends them."""

import asyncio
import os
import pty
import select
import subprocess
import sys
import time

import pytest
from tests.tui.driving import until

from vmalab.tui.program import TerminalProgram
from vmalab.tui.windows import Choosing, Reading, Typing

# Seconds until a program must have said something.
PATIENCE = 60.0
# Says with which key it was ended.
LISTENING = """
from vmalab.tui.program import TerminalProgram

class Listening(TerminalProgram):
    def on_key(self, event):
        self.exit(event.key)

print("ended by", Listening().run())
"""


def read_until(fd: int, mark: bytes) -> bytes:
    """What comes from a terminal, up to a mark."""
    shown = b""
    deadline = time.monotonic() + PATIENCE
    while mark not in shown:
        assert select.select([fd], [], [], deadline - time.monotonic())[0], shown
        shown += os.read(fd, 4096)
    return shown


def test_a_byte_that_is_no_utf8_is_lost() -> None:
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-c", LISTENING],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
    )
    os.close(theirs)
    try:
        # The last line of the window.
        shown = read_until(ours, b"\x1b[24;1H")
        os.write(ours, b"\xff")
        # While the next one waits, the one before has been read.
        while select.select([ours], [], [], 0.3)[0]:
            shown += os.read(ours, 4096)
        os.write(ours, b"k")
        shown += read_until(ours, b"ended by k")
        assert program.wait(PATIENCE) == 0
    finally:
        program.kill()
        program.wait()
        os.close(ours)
    assert b"Traceback" not in shown


@pytest.mark.parametrize("window", ["none", "reading", "choosing", "typing"])
def test_ctrl_c_ends_it_also_above_a_window(window: str) -> None:
    windows = {
        "reading": Reading("title", "text"),
        "choosing": Choosing("title", "head", {"all": ["row"]}),
        "typing": Typing("title"),
    }

    async def run() -> None:
        app = TerminalProgram()
        async with app.run_test() as pilot:
            if window in windows:
                await app.push_screen(windows[window])
            await pilot.press("ctrl+c")
            await until(pilot, lambda: app._exit)

    asyncio.run(run())


@pytest.mark.parametrize("key", ["q", "escape"])
def test_a_window_is_closed_by_its_keys(key: str) -> None:
    async def run() -> None:
        app = TerminalProgram()
        async with app.run_test() as pilot:
            for window in (Reading("title", "text"), Choosing("title", "head", {"all": ["row"]})):
                await app.push_screen(window)
                await pilot.press(key)
                await until(pilot, lambda: len(app.screen_stack) == 1)

    asyncio.run(run())
