# SPDX-License-Identifier: GPL-2.0-or-later
"""Starts a program that is to be recorded: held before its exec, until it is traced."""

import os
import signal
from collections.abc import Iterable, Sequence


def why_no_program(name: str) -> str:
    """Return why a name leads to no program: it is a folder, a file without the right, nothing."""
    if os.path.isdir(name):
        return "a directory, no program"
    if "/" in name and os.path.lexists(name):
        return "cannot be run: Permission denied"
    return "no such program"


def start_held(program: str, command: Sequence[str], mask: Iterable[int]) -> tuple[int, int]:
    """Forks a child that waits, then runs the program with its arguments: its pid, a descriptor.

    The child goes on when a byte is written to the descriptor, and gives up when it is closed. If
    its exec fails it says so and exits with 127 (not found) or 126, as a shell would. mask: the
    signals to be blocked in it. Errors: OSError.
    """
    wait, go = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(wait)
        os.close(go)
        raise
    if child:
        os.close(wait)
        return child, go
    try:
        os.close(go)
        _become(program, command, wait, mask)
    finally:
        os._exit(126)


def _become(program: str, command: Sequence[str], wait: int, mask: Iterable[int]) -> None:
    """The child's side: never returns when all goes well."""
    if not os.read(wait, 1):
        os._exit(126)
    os.close(wait)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        # Python ignores these from its start.
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        os.execv(program, list(command))
    except OSError as error:
        os.write(2, f"vmalab: {program}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)
