# SPDX-License-Identifier: GPL-2.0-or-later
"""A task: whose limits, capabilities, descriptors and address space a call uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import mypyc_attr

if TYPE_CHECKING:
    from vmalab.linux.fs.files import FilesStruct
    from vmalab.linux.kernel.machine import Machine
    from vmalab.linux.mm.mm_types import Mempolicy, Mm

# Capability numbers (capabilities(7)).
CAP_IPC_LOCK: Final = 14
CAP_SYS_ADMIN: Final = 21
CAP_SYS_RAWIO: Final = 17
CAP_SYS_PTRACE: Final = 19
CAP_SYS_NICE: Final = 23
CAP_SYS_RESOURCE: Final = 24
CAP_CHECKPOINT_RESTORE: Final = 40

RLIM_INFINITY: Final = 0xFFFFFFFFFFFFFFFF
RLIM_NLIMITS: Final = 16


# What a program begins with: no access but by key 0.
INIT_PKRU: Final = 0x55555554


@final
@mypyc_attr(native_class=True)
class SignalStruct:
    """struct signal_struct: what the threads of a process share, as far as limits go."""

    def __init__(self) -> None:
        # Soft and hard limits by RLIMIT_* number; RLIM_INFINITY means none.
        self.rlim_cur: list[int] = [RLIM_INFINITY] * RLIM_NLIMITS
        self.rlim_max: list[int] = [RLIM_INFINITY] * RLIM_NLIMITS

    def copy(self) -> SignalStruct:
        """The same limits for a new process."""
        new = SignalStruct()
        new.rlim_cur = list(self.rlim_cur)
        new.rlim_max = list(self.rlim_max)
        return new


@final
@mypyc_attr(native_class=True)
class Task:
    """struct task_struct: one thread."""

    def __init__(
        self, machine: Machine, pid: int, tgid: int, mm: Mm | None, files: FilesStruct
    ) -> None:
        self.machine: Machine = machine
        self.pid: int = pid
        self.tgid: int = tgid
        self.mm: Mm | None = mm
        self.files: FilesStruct = files
        self.signal: SignalStruct = SignalStruct()
        # Effective capabilities, a bit each; all for root.
        self.cap_effective: int = (1 << 41) - 1
        self.uid: int = 0
        self.personality: int = 0
        self.mempolicy: Mempolicy | None = None
        # i386 system calls and a 32-bit address space.
        self.compat: bool = False
        # MAP_32BIT's window and stacks are randomised (PF_RANDOMIZE).
        self.randomize: bool = False
        self.signal_pending: bool = False
        # The register that says what each protection key forbids this thread.
        self.pkru: int = INIT_PKRU
        # Shadow stack: ARCH_SHSTK_* features that are on, and that cannot be changed any more; its
        # place in bytes.
        self.shstk_features: int = 0
        self.shstk_locked: int = 0
        self.shstk_base: int = 0
        self.shstk_size: int = 0

    def capable(self, cap: int) -> bool:
        """Tell whether the task has a capability."""
        return self.cap_effective >> cap & 1 != 0
