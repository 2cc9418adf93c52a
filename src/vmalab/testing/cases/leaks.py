# SPDX-License-Identifier: GPL-2.0-or-later
"""Proving that nothing was lost: every object of every slab cache is given back.

    with LeakChecker(kernel):
        ...                 # what is made here must be gone at the end

The checker compares counts; it needs no knowledge of what was done in between.
"""

from types import TracebackType

from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_types import Mm


class Leak(AssertionError):
    """Objects were made and not given back, or given back too often."""


def active_objects(kernel: KernelState) -> dict[str, int]:
    """Return objects in use by the name of their cache."""
    return {cache.name: int(cache.nr_active) for cache in kernel.caches()}


def counters(mm: Mm) -> dict[str, int]:
    """Return the counters of an mm that are zero when nothing is mapped, by the kernel's names."""
    return {
        "map_count": int(mm.map_count),
        "total_vm": int(mm.total_vm),
        "locked_vm": int(mm.locked_vm),
        "data_vm": int(mm.data_vm),
        "exec_vm": int(mm.exec_vm),
        "stack_vm": int(mm.stack_vm),
        "committed": int(mm.kernel.committed_as),
    }


class LeakChecker:
    """A context that raises `Leak` when it ends with other counts of objects than it began with.

    An exception on its way out is not replaced.
    """

    def __init__(self, kernel: KernelState) -> None:
        self.kernel = kernel
        self.before: dict[str, int] = {}

    def __enter__(self) -> "LeakChecker":
        self.before = active_objects(self.kernel)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and self.found():
            raise Leak("; ".join(self.found()))

    def found(self) -> list[str]:
        """Return a sentence for each cache whose count differs from that at the beginning."""
        now = active_objects(self.kernel)
        return [
            f"{name}: {now[name] - count:+d} objects, {now[name]} in use"
            for name, count in self.before.items()
            if now[name] != count
        ]
