# SPDX-License-Identifier: GPL-2.0-or-later
"""Records the process that it runs in while a block runs: `with vmalab.watch() as seen:`."""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, final

from vmalab.api.recording import Recording
from vmalab.calls.errors import VmalabError

# prctl: who may trace this process, where Yama (ptrace_scope 1) lets only its ancestors.
_SET_PTRACER: Final = 0x59616D61
# Seconds between two looks whether the recorder has begun, and until it is given up.
_LOOK: Final = 0.002
_LONG: Final = 60.0


@final
class Watch:
    """A recording of this process, made by a process of its own that holds it at each memory call.

    Use it as a context manager; after the block `recording` is what was recorded. folder: where it
    is kept, a new or empty folder; None: a temporary one, gone with `close`. stacks: also the call
    stack of each memory call. Errors: VmalabError when this process cannot be traced, as when a
    debugger holds it already.
    """

    def __init__(self, folder: str | None = None, *, stacks: bool = True) -> None:
        self._kept = None if folder is not None else tempfile.TemporaryDirectory(prefix="vmalab-")
        self.folder = folder or os.path.join(self._kept.name if self._kept else "", "recording")
        self._stacks = stacks
        self._recorder: subprocess.Popen[str] | None = None
        self._recording: Recording | None = None

    @property
    def recording(self) -> Recording:
        """The recording. Errors: VmalabError before the block has ended."""
        if self._recording is None:
            raise VmalabError(f"{self.folder}: nothing was recorded yet; the block has not ended")
        return self._recording

    @property
    def image(self) -> str:
        """The name of this process's image in the recording."""
        return f"{os.getpid()}.0"

    def close(self) -> None:
        """Remove a temporary recording."""
        if self._kept is not None:
            self._kept.cleanup()

    def __enter__(self) -> "Watch":
        command = [sys.executable, "-m", "vmalab", "record", "--tracer", "ptrace"]
        command += ["-k"] if self._stacks else []
        command += ["-o", self.folder, "-p", str(os.getpid())]
        self._recorder = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        ctypes.CDLL(None).prctl(_SET_PTRACER, self._recorder.pid, 0, 0, 0)
        # Written while this process is held: once it can be seen, calls are recorded.
        first = Path(self.folder, "images", self.image, "initial.smaps")
        given_up = time.monotonic() + _LONG
        while not first.exists():
            if self._recorder.poll() is not None or time.monotonic() > given_up:
                raise VmalabError(f"this process cannot be recorded: {self._end()}")
            time.sleep(_LOOK)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        said = self._end()
        try:
            self._recording = Recording.open(self.folder)
        except VmalabError:
            if error is None:
                raise VmalabError(f"this process was not recorded: {said}") from None

    def _end(self) -> str:
        """End the recorder; Returns: what it said."""
        assert self._recorder is not None
        if self._recorder.poll() is None:
            self._recorder.send_signal(signal.SIGINT)
        _, said = self._recorder.communicate()
        return said.strip().removeprefix("vmalab: ")


def watch(folder: str | None = None, *, stacks: bool = True) -> Watch:
    """Return what records this process while a block runs; see `Watch`."""
    return Watch(folder, stacks=stacks)
