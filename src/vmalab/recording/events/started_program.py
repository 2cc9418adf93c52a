# SPDX-License-Identifier: GPL-2.0-or-later
"""The program that a recorder has started: its signals, and how it ended."""

import os
import select
import signal
from typing import Final, final

from vmalab.recording.events.signals import SignalDescriptor
from vmalab.recording.tracer.session import TAKEN

# Seconds between two looks at what nothing wakes for: that the last process has ended.
LOOK_EVERY: Final = 0.1
# si_code of a signal that the kernel sent: from a terminal, to all that is in its foreground.
_SI_KERNEL: Final = 0x80


@final
class StartedProgram:
    """A program. status: its exit status, -N for signal N; None while it runs. ends: the user wants
    no more of what it has left running.
    """

    def __init__(self, pid: int) -> None:
        self.status: int | None = None
        self.ends = False
        self._pid = pid
        self._asked = False

    def signalled(self, number: int, code: int) -> None:
        """The recorder has a signal: what was meant for it alone is passed on, and kills when it
        comes again.
        """
        if code == _SI_KERNEL:
            return
        if self.status is None:
            os.kill(self._pid, signal.SIGKILL if self._asked else number)
        elif self._asked:
            self.ends = True
        self._asked = True

    def reaped(self) -> bool:
        """Return whether it has ended."""
        if self.status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def await_end(self) -> None:
        """Wait for it, though its recording has ended."""
        if self.status is None:
            with SignalDescriptor(TAKEN) as signals:
                while not self.reaped():
                    select.select([signals.fd], [], [], LOOK_EVERY)
                    for number, code in signals.take():
                        if number != signal.SIGCHLD:
                            self.signalled(number, code)
