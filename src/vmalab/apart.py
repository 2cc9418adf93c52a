# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs generators in fresh processes, whose engine may have a historic bug.

A generator is named by a function of the package and its arguments; both and all that it yields go
through a pipe, pickled, between processes of this program alone.
"""

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import closing, suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from vmalab.calls.errors import VmalabError
from vmalab.mutated import VARIABLE
from vmalab.parent import end_with_parent, leave_in_order

T = TypeVar("T")
# The folder of the package, which the process is to import and no other.
_HOME: Final = str(Path(__file__).parent.parent)
_ITEM: Final = "item"
_ERROR: Final = "error"
_END: Final = "end"


class HasEnded(VmalabError):
    """A process that was started for a part of the work has ended by itself, or was killed."""

    def __str__(self) -> str:
        return "a process that was started for a part of the work has ended"


class Apart(Generic[T]):
    """A process that runs one generator.

    work: makes the generator; pickled, so a function of the package, or `functools.partial` of one.
    mutant: the bug of its engine, "" for none but this process' own. pass_fds: descriptors that it
    gets, by the same numbers.
    """

    def __init__(
        self,
        work: Callable[[], Iterable[T]],
        mutant: str = "",
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        self.pipe, there = Pipe()
        path = os.pathsep.join(filter(None, (_HOME, os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": path}
        if mutant:
            environment[VARIABLE] = mutant
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "vmalab.apart", str(there.fileno())],
                env=environment,
                pass_fds=[there.fileno(), *pass_fds],
                stdin=subprocess.DEVNULL,
                # An interrupt from the keyboard is for this process alone, which ends the other:
                # two signals would leave half of what is open.
                process_group=0,
            )
        # One that has ended already is noticed when it is listened to.
        with suppress(BrokenPipeError):
            self.pipe.send((work, gc.get_threshold()))

    def stop(self) -> None:
        """Tell the process to end, wherever it is; what its generator has open is closed first."""
        self._process.terminate()

    def close(self) -> None:
        """End the process; see `stop`."""
        self.stop()
        self.pipe.close()
        self._process.wait()


def apart(work: Callable[[], Iterable[T]], mutant: str = "") -> Generator[T, None, None]:
    """Yield what a generator yields in a process of its own; see `Apart`.

    Errors: those of the generator that the user is to hear of; HasEnded.
    """
    with closing(Apart(work, mutant)) as process:
        while True:
            kind, value = _receive(process.pipe)
            if kind == _END:
                return
            if kind == _ERROR:
                raise value
            yield value


def receive(pipe: Connection) -> Any:
    """Return the next item of a generator that does not end by itself.

    Errors: those that the user is to hear of; HasEnded.
    """
    kind, value = _receive(pipe)
    if kind == _ITEM:
        return value
    raise value if kind == _ERROR else HasEnded()


def _receive(pipe: Connection) -> tuple[str, Any]:
    try:
        message: tuple[str, Any] = pipe.recv()
    except (EOFError, ConnectionResetError):
        return _ERROR, HasEnded()
    return message


def main(descriptor: int) -> None:
    """Run the generator that comes through a pipe, in the process that was started for it.

    Told to end, it closes what it has open; when nobody can tell it any more, it ends too.
    """
    leave_in_order()
    end_with_parent()
    with Connection(descriptor) as pipe:
        try:
            work, threshold = pipe.recv()
            gc.set_threshold(*threshold)
            for item in work():
                pipe.send((_ITEM, item))
            pipe.send((_END, None))
        except VmalabError as error:
            pipe.send((_ERROR, error))
        except (BrokenPipeError, ConnectionResetError, EOFError, KeyboardInterrupt):
            # Nobody listens any more.
            return


if __name__ == "__main__":
    # By then nothing is left to close, and a second signal is not to meet the interpreter while
    # it ends.
    try:
        main(int(sys.argv[1]))
    except SystemExit:
        os._exit(1)
    os._exit(0)
