# SPDX-License-Identifier: GPL-2.0-or-later
"""From what a user calls a target (`live`, `qemu:IMAGE`) to the target."""

from contextlib import AbstractContextManager
from typing import Final

from vmalab.targets.real.executor import TargetError
from vmalab.targets.real.live import LiveTarget
from vmalab.targets.real.qemu import QemuTarget
from vmalab.targets.real.real import RealTarget

LIVE: Final = "live"
QEMU: Final = "qemu:"


def open_target(name: str) -> AbstractContextManager[RealTarget]:
    """The target of that name, to be entered. Errors: TargetError, on entering too."""
    if name == LIVE:
        return LiveTarget()
    if name.startswith(QEMU) and len(name) > len(QEMU):
        return QemuTarget(name.removeprefix(QEMU))
    raise TargetError(f"no such target: {name[:60]!r} (live, or qemu:IMAGE)")
