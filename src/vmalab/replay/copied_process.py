# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a function in a copy of this process, so that nothing of what it changes stays.

A model has more state than could be put back by hand: pages, reverse maps, segments. The system's
fork copies all of it, as far as it is written to.
"""

import gc
import os
import pickle
import warnings
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_a_copy(work: Callable[[], T]) -> T | None:
    """Return what a function returns in a copy of this process; None where none can be made.

    Preconditions: the function neither prints nor waits for a thread. Errors: what the function
    raises there is raised here.
    """
    there, here = os.pipe()
    try:
        child = _fork()
    except OSError:
        os.close(there)
        os.close(here)
        return None
    if child == 0:
        _answer(here, work)
    os.close(here)
    with open(there, "rb") as pipe:
        raw = pipe.read()
    os.waitpid(child, 0)
    if not raw:
        return None
    done, value = pickle.loads(raw)
    if not done:
        raise value
    result: T = value
    return result


def _fork() -> int:
    """Return the child's number, in the child 0. Errors: OSError."""
    with warnings.catch_warnings():
        # Of other threads: none of their locks is asked for in the copy.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _answer(pipe: int, work: Callable[[], T]) -> None:
    """Send what a function returns, and end."""
    status = 1
    try:
        gc.disable()
        try:
            message = pickle.dumps((True, work()))
        except Exception as error:
            message = pickle.dumps((False, error))
        while message:
            message = message[os.write(pipe, message) :]
        status = 0
    finally:
        os._exit(status)
