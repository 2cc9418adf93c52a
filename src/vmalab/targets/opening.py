# SPDX-License-Identifier: GPL-2.0-or-later
"""From what a user calls a target (`live`, `qemu:IMAGE`, `tree:PATH`) to the target."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from vmalab.targets.real.live import LiveTarget
from vmalab.targets.real.qemu import QemuTarget
from vmalab.targets.real.real import RealTarget
from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.tree.base import open_base
from vmalab.targets.tree.tree import PREFIX as TREE
from vmalab.targets.tree.tree import SANITIZED, TreeTarget

LIVE: Final = "live"
QEMU: Final = "qemu:"


def open_target(
    name: str, share: int = 1, recordings: str = ""
) -> AbstractContextManager[RealTarget]:
    """Return the target of that name, to be entered. Errors: TargetError, on entering too.

    share: how many of them are open at a time. recordings: a folder where a guest records programs
    before all else; "" for none.
    """
    if name == LIVE:
        return LiveTarget(share)
    if name.startswith(QEMU) and len(name) > len(QEMU):
        return QemuTarget(name.removeprefix(QEMU), recordings)
    if name.startswith(TREE) and len(name) > len(TREE):
        return TreeTarget(name.removeprefix(TREE))
    if name.startswith(SANITIZED) and len(name) > len(SANITIZED):
        return TreeTarget(name.removeprefix(SANITIZED), sanitize=True)
    raise TargetError(f"no such target: {name[:60]!r} (live, qemu:IMAGE or tree:PATH)")


@contextmanager
def open_beside(
    name: str, base: str, share: int = 1, recordings: str = ""
) -> Iterator[tuple[RealTarget, RealTarget | None]]:
    """Yield the target of that name, and what it is compared with: None without `base`.

    base: of a tree, as of `open_base`. recordings: as `open_target` has it. Errors: TargetError.
    """
    with open_target(name, share, recordings) as target:
        if not base:
            yield target, None
            return
        sanitize = name.startswith(SANITIZED)
        if not sanitize and not name.startswith(TREE):
            raise TargetError(f"{name}: only a kernel tree has a base (tree:PATH)")
        with open_base(name.partition(":")[2], base, sanitize=sanitize) as other:
            yield target, other
