# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that speaks the executor's protocol, as a child process: its start and its end."""

import subprocess
from pathlib import Path
from typing import Final, final

from vmalab.targets.real.executor import PATIENCE, Executor
from vmalab.targets.real.target_errors import TargetError


@final
class Child:
    """A running program, in a session and with an environment of its own."""

    def __init__(self, program: Path) -> None:
        """Start it. Errors: TargetError."""
        try:
            self._process: Final = subprocess.Popen(
                [str(program)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={},
                start_new_session=True,
            )
        except OSError as error:
            raise TargetError(f"{program}: {error.strerror}") from None

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def executor(self, patience: float = PATIENCE) -> Executor:
        """Return who speaks with it. patience: the seconds that an answer may take."""
        answers, requests = self._process.stdout, self._process.stdin
        assert answers is not None
        assert requests is not None
        return Executor(answers.fileno(), requests.fileno(), patience)

    def close(self) -> None:
        """End it; its workers die with it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
