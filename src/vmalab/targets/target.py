# SPDX-License-Identifier: GPL-2.0-or-later
"""The protocol of all targets: a kernel, or a model of one, that carries out calls and shows maps.

A target begins with one process of its own making, without a trace of what ran before. What else a
target can do, such as build a recorded program or run calls in batches, is its own business. What
every target must do alike is in tests/targets/test_target_conformance.py.
"""

from typing import Protocol

from vmalab.calls.call import Call
from vmalab.calls.snapshot import Snapshot


class Target(Protocol):
    """Where calls are carried out."""

    def apply(self, call: Call) -> int:
        """Carry out a call as its thread.

        Returns: its result, or -errno; -ENOSYS for a call that the target does not know, and for a
        thread that it does not have. A call that fails changes nothing that the kernel would not
        change. Errors: VmalabError when the target cannot, or will not, make the call.
        """

    def snapshot(self, tid: int) -> Snapshot:
        """Return the map of a thread as smaps shows it, without the vsyscall page, which is no VMA.

        Returns: [] for a thread that the target does not have.
        """
