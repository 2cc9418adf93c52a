# SPDX-License-Identifier: GPL-2.0-or-later
"""Turns whatever ended a command into a message and an exit status; only defects are called so."""

import atexit
import bdb
import errno
import gc
import io
import os
import resource
import signal
import sys
from typing import Final, NoReturn

import click

from vmalab.calls.errors import VmalabError
from vmalab.views.output import OutputError, complain, say_lines

EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130
# What a shell says of a program that SIGPIPE ended.
EXIT_PIPE: Final = 128 + signal.SIGPIPE

# Of a call of the kernel's: the program asked for something wrong, not the machine.
_OURS: Final = (errno.EBADF, errno.EFAULT, errno.EINVAL, errno.ENOSYS)
# What the loader says of a library for which there is no room.
_NO_ROOM: Final = ("failed to map segment", "annot allocate memory", "cannot map zero-fill")


def is_defect(error: BaseException) -> bool:
    """Return whether vmalab alone is to blame for an exception that nothing has caught."""
    if isinstance(error, OSError):
        return error.errno is None or error.errno in _OURS
    if _is_short_of_memory(error):
        return False
    known = (VmalabError, click.ClickException, click.Abort, OutputError, bdb.BdbQuit)
    return isinstance(error, Exception) and not isinstance(error, known)


def report_defect(error: BaseException, of: str = "") -> int:
    """Say that vmalab is wrong, and where that shows. of: the input. Returns: the exit status."""
    place = f"{of}: " if of else ""
    complain(f"{place}a defect of vmalab: {type(error).__name__}: {error}")
    complain("set VMALAB_TRACEBACK=1 to see where; please report it")
    return EXIT_USAGE


def report(error: BaseException) -> int:
    """Say why a command ended. Returns: its exit status."""
    if isinstance(error, bdb.BdbQuit):
        # The user left the debugger, in a file of rules: there is nothing to say.
        return EXIT_INTERRUPTED
    if isinstance(error, click.Abort | KeyboardInterrupt):
        complain("interrupted")
        return EXIT_INTERRUPTED
    if isinstance(error, click.ClickException):
        text = io.StringIO()
        error.show(text)
        say_lines(text.getvalue().rstrip("\n"), err=True)
        return EXIT_USAGE
    if isinstance(error, OutputError):
        return _report_output(error.cause)
    if isinstance(error, BrokenPipeError):
        return EXIT_PIPE
    if _is_short_of_memory(error):
        # Frees what the frames hold, for the message to have room.
        error.__traceback__ = None
        complain(f"out of memory ({_memory_limit()})")
        return EXIT_USAGE
    if isinstance(error, OSError) and not is_defect(error):
        place = (
            f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        )
        complain(f"{place}{error.strerror}")
        return EXIT_USAGE
    if is_defect(error):
        return report_defect(error)
    complain(str(error))
    return EXIT_USAGE


def _is_short_of_memory(error: BaseException) -> bool:
    """Return whether an exception says so; a library that cannot be mapped is an ImportError."""
    if isinstance(error, ImportError):
        return any(text in str(error) for text in _NO_ROOM)
    return isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM


def _report_output(cause: OSError) -> int:
    if cause.errno == errno.EPIPE:
        return EXIT_PIPE
    complain(f"standard output: {cause.strerror or cause}")
    return EXIT_USAGE


def _memory_limit() -> str:
    """Return what bounds the memory of this process, in words."""
    limits = {"v": resource.RLIMIT_AS, "d": resource.RLIMIT_DATA}
    for option, number in limits.items():
        soft, _ = resource.getrlimit(number)
        if soft != resource.RLIM_INFINITY:
            return f"the limit is {soft >> 10} KiB: ulimit -{option}"
    return "no limit of its own: the machine's"


def leave(status: int) -> NoReturn:
    """End the program with a status; with `EXIT_PIPE` as SIGPIPE ends one.

    What standard output has not taken by now is thrown away.
    """
    try:
        sys.stdout.flush()
    except OutputError:
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), 1)
    if status == EXIT_PIPE:
        _Ending.by_pipe = True
    # The interpreter would look through all that there is for cycles before it goes.
    gc.freeze()
    sys.exit(status)


class _Ending:
    """How the program ends."""

    by_pipe = False


def _end_by_pipe() -> None:
    """End by SIGPIPE where that is to be, after temporary folders have been removed."""
    if _Ending.by_pipe:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)


# What is registered first is called last.
atexit.register(_end_by_pipe)


def leave_at_once(status: int) -> NoReturn:
    """End the program with a status, without taking the interpreter apart first.

    For a tracer: a thread that could not be stopped is the kernel's to let go of when it ends. On
    a busy machine the rest of an interpreter's end would take most of that time.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
