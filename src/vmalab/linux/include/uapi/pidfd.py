# SPDX-License-Identifier: GPL-2.0-or-later
"""User API of pidfd_open(2) and of calls that take a pidfd.

Mirrors: linux/pidfd.h.
"""

from typing import Final

PIDFD_NONBLOCK: Final = 0o4000
PIDFD_THREAD: Final = 0o200

# Instead of a descriptor: the calling thread, and its thread group's leader (6.14).
PIDFD_SELF_THREAD: Final = -10000
PIDFD_SELF_THREAD_GROUP: Final = -10001
# What the second one was up to 6.16.
OLD_PIDFD_SELF_THREAD_GROUP: Final = -20000
