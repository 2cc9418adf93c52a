# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies of a tree's worker, each a process of its own: what a fork of a recorded process needs."""

import os
from typing import final

from vmalab.targets.real.executor import Executor
from vmalab.targets.tree.tree import PATIENCE


@final
class WorkerCopy:
    """A copy of a worker, made while that one waits for a request; close it.

    Errors: TargetError when it cannot be made.
    """

    def __init__(self, origin: Executor) -> None:
        requests, own_requests = os.pipe()
        own_answers, answers = os.pipe()
        self._descriptors: tuple[int, ...] = (own_requests, own_answers)
        place = f"/proc/{os.getpid()}/fd"
        try:
            origin.copy_worker(f"{place}/{requests}", f"{place}/{answers}")
        except BaseException:
            self.close()
            raise
        finally:
            os.close(requests)
            os.close(answers)
        self.executor = Executor(own_answers, own_requests, PATIENCE, works=True)
        self.executor.read_words = origin.read_words

    def close(self) -> None:
        """Close its line, at which it ends."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = ()
