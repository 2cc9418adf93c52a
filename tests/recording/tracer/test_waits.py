# SPDX-License-Identifier: GPL-2.0-or-later
"""What has ended is taken before a program waits for it."""

import os
import signal

import pytest

from vmalab.recording.tracer.waits import ended


@pytest.fixture
def killed() -> int:
    """A child that has been killed, and that nobody has waited for."""
    pid = os.fork()
    if pid == 0:
        signal.pause()
        os._exit(0)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def test_ended_tracees_are_taken(killed: int) -> None:
    assert list(ended({killed}, 0)) == [(killed, signal.SIGKILL)]
    assert list(ended({killed}, 0)) == []


@pytest.mark.parametrize("own", [True, False])
def test_what_is_not_traced_or_our_own_is_left(killed: int, own: bool) -> None:
    tracees = {killed} if own else set()
    assert list(ended(tracees, killed if own else 0)) == []
    assert os.waitpid(killed, 0) == (killed, signal.SIGKILL)
