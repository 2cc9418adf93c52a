# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages: whole where a program reads them, broken between words where a person does."""

import os
import pty
import subprocess
import sys
import termios

NOTE = "run: " + " ".join(f"word-{number}" for number in range(20)) + " " + "x" * 90
PRINTS = """
import sys
from vmalab.views.output import complain, put
complain(sys.argv[1])
put(sys.argv[1])
"""


def printed(*, stream: str, columns: int) -> list[str]:
    """The lines that a terminal of so many columns gets on "stdout" or "stderr"."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    environment = {name: text for name, text in os.environ.items() if name != "COLUMNS"}
    with open(master, "rb") as read:
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: slave}
        command = [sys.executable, "-c", PRINTS, NOTE]
        subprocess.run(command, env=environment | {"TERM": "xterm"}, check=True, **streams)
        os.close(slave)
        text = b""
        try:
            while part := os.read(read.fileno(), 4096):
                text += part
        except OSError:
            pass  # So a terminal says that nobody has its other end any more.
    return text.decode().split("\r\n")[:-1]


def test_a_message_is_broken_between_words_on_a_terminal() -> None:
    lines = printed(stream="stderr", columns=60)
    assert len(lines) > 3
    assert " ".join(line.strip() for line in lines) == f"vmalab: {NOTE}"
    assert [line for line in lines[1:] if not line.startswith("  ")] == []
    assert [len(line) > 60 for line in lines] == [line.strip() == "x" * 90 for line in lines]


def test_text_is_broken_between_words_on_a_terminal() -> None:
    lines = printed(stream="stdout", columns=60)
    assert len(lines) > 3
    assert [line for line in lines if len(line) > 60] == []
    assert "".join(lines).replace(" ", "") == NOTE.replace(" ", "")
    assert [word for word in NOTE.split()[:-1] if word not in " ".join(lines).split()] == []


def test_what_is_no_terminal_gets_lines_whole() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINTS, NOTE], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{NOTE}\n"
    assert done.stderr == f"vmalab: {NOTE}\n"
