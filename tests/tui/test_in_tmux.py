# SPDX-License-Identifier: GPL-2.0-or-later
"""The terminal programs on a real terminal: tmux's."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

# Seconds until something must be on the screen.
_PATIENCE = 120.0


class Terminal:
    """A tmux of its own, with one window."""

    def __init__(self, socket: Path) -> None:
        self._tmux = ["tmux", "-f", os.devnull, "-S", str(socket)]

    def _run(self, *words: str) -> str:
        done = subprocess.run([*self._tmux, *words], capture_output=True, text=True, check=False)
        return done.stdout

    def start(self, command: list[str]) -> None:
        """Run a command; its exit status is printed when it is over."""
        text = f"{shlex.join(command)}; echo status $?; cat"
        self._run("new-session", "-d", "-x", "140", "-y", "40", text)

    def press(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    @property
    def screen(self) -> str:
        return self._run("capture-pane", "-p")

    def sees(self, *texts: str) -> None:
        """Wait until all the texts are on the screen."""
        deadline = time.monotonic() + _PATIENCE
        while not all(text in (screen := self.screen) for text in texts):
            assert time.monotonic() < deadline, f"{texts} are not on the screen:\n{screen}"
            time.sleep(0.1)

    def close(self) -> None:
        self._run("kill-server")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        pytest.skip("no tmux on this machine (apt-get install tmux)")
    made = Terminal(tmp_path / "tmux")
    yield made
    made.close()


VMALAB = [sys.executable, "-m", "vmalab"]


@pytest.mark.slow
def test_explore_in_tmux(terminal: Terminal, examples: Path) -> None:
    terminal.start([*VMALAB, "explore", str(examples / "python-rlimit-as")])
    # The replay is over: a failure is not looked for before it is known.
    terminal.sees("611 moments │", "the first map")
    terminal.press("f")
    terminal.sees("ENOMEM by RLIMIT_AS: the address space would be 256.1 MiB")
    terminal.press("b")
    terminal.sees("what made the VMAs of this moment by site")
    terminal.press("q", "q")
    terminal.sees("status 0")


@pytest.mark.slow
def test_top_in_tmux(terminal: Terminal) -> None:
    terminal.start([*VMALAB, "top"])
    terminal.sees("processes, by vmas", "VMAs  of limit")
    terminal.press("Space")
    terminal.sees("frozen")
    terminal.press("q")
    terminal.sees("status 0")
