# SPDX-License-Identifier: GPL-2.0-or-later
"""This machine's own kernel as a target: the executor as a child process."""

import os
import shutil
import subprocess
import tempfile
from types import TracebackType
from typing import final

from vmalab.targets.real.build import executor_path
from vmalab.targets.real.executor import Executor, TargetError
from vmalab.targets.real.real import RealTarget


@final
class LiveTarget:
    """A context in which this machine's kernel carries out calls; `target` is it.

    Errors on entering: TargetError when the executor cannot be built or started.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = ""

    def __enter__(self) -> RealTarget:
        path = executor_path()
        # Used when no namespace with a file system of its own can be had.
        self._folder = tempfile.mkdtemp(prefix="vmalab-")
        os.chmod(self._folder, 0o711)
        try:
            self._process = subprocess.Popen(
                [str(path), self._folder],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={},
                start_new_session=True,
            )
        except OSError as error:
            self.close()
            raise TargetError(f"{path}: {error.strerror}") from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            executor = Executor(self._process.stdout.fileno(), self._process.stdin.fileno())
            return RealTarget("live", executor)
        except BaseException:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the executor with its workers, and removes what it left."""
        process = self._process
        self._process = None
        if process is not None:
            # Workers die with their supervisor.
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""
