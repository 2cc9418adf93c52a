# SPDX-License-Identifier: GPL-2.0-or-later
"""What a terminal says to a recorded program reaches it, and ends it as it would alone."""

import fcntl
import os
import signal
import subprocess
import termios
from contextlib import suppress
from pathlib import Path

import pytest
from tests.cli.record.conftest import COMMAND, PATIENCE

pytestmark = pytest.mark.usefixtures("traceable")

PROGRAMS = {
    "ends": "echo ready; while :; do sleep 0.05; done",
    "takes it": "trap 'echo taken > taken; exit 3' HUP; echo ready; while :; do sleep 0.05; done",
    "waits for a child": "echo ready; sleep 1000; exit 4",
    "is stopped": "echo ready; kill -STOP $$; exit 5",
}
RECORD = [*COMMAND, "record", "--tracer", "ptrace", "-o", "r", "--"]


def lead_session() -> None:
    """Make standard input the terminal of a new session, with signals as a login has them."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def status_after_hangup(folder: Path, command: list[str]) -> int:
    """Run a command as the leader of a terminal's session, and hang up: its status, as a shell."""
    ours, its = os.openpty()
    process = subprocess.Popen(
        command, stdin=its, stdout=its, stderr=its, cwd=folder, start_new_session=True,
        preexec_fn=lead_session,
    )  # fmt: skip
    os.close(its)
    said = b""
    while b"ready" not in said:
        said += os.read(ours, 4096)
    os.close(ours)
    try:
        status = process.wait(PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    return 128 - status if status < 0 else status


@pytest.mark.parametrize("program", PROGRAMS)
def test_hanging_up_ends_a_recorded_program_as_it_does_alone(tmp_path: Path, program: str) -> None:
    """Of a session only the leader is told, which is the recorder."""
    shell = ["sh", "-c", PROGRAMS[program]]
    alone = status_after_hangup(tmp_path, shell)
    assert (tmp_path / "taken").exists() == (program == "takes it")
    (tmp_path / "taken").unlink(missing_ok=True)
    assert status_after_hangup(tmp_path, [*RECORD, *shell]) == alone
    assert (tmp_path / "taken").exists() == (program == "takes it")
