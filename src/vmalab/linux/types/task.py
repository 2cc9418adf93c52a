# SPDX-License-Identifier: GPL-2.0-or-later
"""A task: whose limits, capabilities, descriptors and address space a call uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from librt.vecs import vec
from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.uapi.seccomp import SECCOMP_MODE_DISABLED
from vmalab.linux.types.cred import INIT_USER_NS, Cred, UserNamespace
from vmalab.linux.types.fs_struct import FsStruct

if TYPE_CHECKING:
    from vmalab.linux.types.files import FilesStruct
    from vmalab.linux.types.machine import MachineState
    from vmalab.linux.types.mm_types import Mempolicy, Mm

RLIM_INFINITY: Final = 0xFFFFFFFFFFFFFFFF
# More bytes than any address space has.
NO_RLIMIT: Final = (1 << 62) - 1
RLIM_NLIMITS: Final = 16


# No kernel has it: nothing tells how a task's calls are filtered.
SECCOMP_MODE_UNKNOWN: Final = -1

# What a program begins with: no access but by key 0.
INIT_PKRU: Final = 0x55555554


@final
@mypyc_attr(native_class=True)
class Limits:
    """One value for each RLIMIT_* number, unsigned and in its own unit; RLIM_INFINITY for none."""

    def __init__(self) -> None:
        self._values: list[int] = [RLIM_INFINITY] * RLIM_NLIMITS
        # The same as signed numbers, NO_RLIMIT at most: made once, for they are asked at each call.
        self._reached: vec[i64] = vec[i64]([NO_RLIMIT] * RLIM_NLIMITS)

    def __getitem__(self, resource: int) -> int:
        return self._values[resource]

    def __setitem__(self, resource: int, limit: int) -> None:
        self._values[resource] = limit
        self._reached[resource] = min(limit, NO_RLIMIT)

    def reached(self, resource: i64) -> i64:
        """Return the limit; NO_RLIMIT for one that nothing reaches."""
        return self._reached[resource]

    def copy(self) -> Limits:
        """Return the same values."""
        new = Limits()
        for resource in range(RLIM_NLIMITS):
            new[resource] = self[resource]
        return new


@final
@mypyc_attr(native_class=True)
class SignalStruct:
    """struct signal_struct: what the threads of a process share, as far as limits go."""

    def __init__(self) -> None:
        # Soft and hard limits.
        self.rlim_cur: Limits = Limits()
        self.rlim_max: Limits = Limits()

    def copy(self) -> SignalStruct:
        """Return the same limits for a new process."""
        new = SignalStruct()
        new.rlim_cur = self.rlim_cur.copy()
        new.rlim_max = self.rlim_max.copy()
        return new


@final
@mypyc_attr(native_class=True)
class Task:
    """struct task_struct: one thread."""

    def __init__(
        self, machine: MachineState, pid: int, tgid: int, mm: Mm | None, files: FilesStruct
    ) -> None:
        self.machine: MachineState = machine
        self.pid: int = pid
        self.tgid: int = tgid
        self.mm: Mm | None = mm
        self.files: FilesStruct = files
        self.fs: FsStruct = FsStruct(machine.cwd)
        self.signal: SignalStruct = SignalStruct()
        self.cred: Cred = Cred()
        # SECCOMP_MODE_*: whether filters may refuse its calls.
        self.seccomp_mode: int = SECCOMP_MODE_DISABLED
        # Filters that were installed while it was watched.
        self.filter_count: int = 0
        self.personality: int = 0
        self.mempolicy: Mempolicy | None = None
        # i386 system calls and a 32-bit address space.
        self.compat: bool = False
        # The call at hand is one of i386, whatever the program is (in_32bit_syscall).
        self.in_32bit_syscall: bool = False
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
        """Tell whether the task has a capability that counts for the machine as a whole."""
        return self.cred.cap_capable(INIT_USER_NS, cap)

    def ns_capable(self, ns: UserNamespace, cap: int) -> bool:
        """Tell whether the task has a capability for what belongs to a user namespace."""
        return self.cred.cap_capable(ns, cap)
