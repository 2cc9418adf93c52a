# SPDX-License-Identifier: GPL-2.0-or-later
"""System V shared memory segments, and the namespace that gives them their ids.

Mirrors struct ipc_namespace, struct shmid_kernel and ipc/util.c.
"""

from typing import Final, cast, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.uapi.errno import ENOSPC
from vmalab.linux.lib.idr import Idr
from vmalab.linux.types.cred import INIT_USER_NS, UserNamespace
from vmalab.linux.types.file import File
from vmalab.linux.types.kernel_state import KernelState

# kernel.shmmni, as it is by default.
SHMMNI: Final = 4096
# An id is a sequence number above an index of 15 bits.
IPCMNI_SHIFT: Final = 15
IPC_MIN_CYCLE: Final = 64
IPCID_SEQ_MAX: Final = 0xFFFF


@final
@mypyc_attr(native_class=True)
class Shmid:
    """struct shmid_kernel: one segment."""

    def __init__(self, key: int, mode: int, size: int, shm_file: File, uid: int, gid: int) -> None:
        self.id: int = -1
        self.key: int = key
        # Permission bits, and SHM_DEST.
        self.mode: int = mode
        # Bytes, as asked for.
        self.shm_segsz: int = size
        self.shm_nattch: i64 = 0
        self.shm_file: File = shm_file
        # Who owns it, and who made it.
        self.uid: int = uid
        self.gid: int = gid
        self.cuid: int = uid
        self.cgid: int = gid
        # Pages charged against the commit limit.
        self.charged: i64 = 0
        # Who locked its pages (SHM_LOCK), -1: nobody.
        self.mlock_uid: int = -1


@final
@mypyc_attr(native_class=True)
class IpcNamespace:
    """struct ipc_namespace: the segments of a machine, by index."""

    def __init__(self, kernel: KernelState) -> None:
        self.kernel: KernelState = kernel
        self.user_ns: UserNamespace = INIT_USER_NS
        self.shm_ids: Idr = Idr()
        self.last_idx: int = -1
        self.seq: int = 0
        # Pages of all segments.
        self.shm_tot: int = 0
        # kernel.shm_rmid_forced: a segment goes with its last attachment, removed or not.
        self.shm_rmid_forced: bool = False

    def find(self, shmid: int) -> Shmid | None:
        """The segment with an id, None for an index that is free or an outdated sequence number."""
        shp = self.at(shmid)
        return shp if shp is not None and shp.id == shmid else None

    def at(self, shmid: int) -> Shmid | None:
        """The segment with the index of an id, or of an index, whatever its sequence number."""
        return cast("Shmid | None", self.shm_ids.find(shmid & ((1 << IPCMNI_SHIFT) - 1)))

    def segments(self) -> list[Shmid]:
        """Return all segments, lowest index first."""
        found: list[Shmid] = []
        idx = self.shm_ids.get_next(0)
        while idx >= 0:
            found.append(cast("Shmid", self.shm_ids.find(idx)))
            idx = self.shm_ids.get_next(idx + 1)
        return found

    def find_key(self, key: int) -> Shmid | None:
        """Return the segment of a key other than IPC_PRIVATE."""
        for shp in self.segments():
            if shp.key == key:
                return shp
        return None

    def add(self, shp: Shmid) -> int:
        """Give a segment its id: the next free index, in turn; or -ENOSPC (`ipc_addid`)."""
        if self.shm_ids.nr >= SHMMNI:
            return -ENOSPC
        end = min(max(self.shm_ids.nr * 3 // 2, IPC_MIN_CYCLE), 1 << IPCMNI_SHIFT)
        idx = int(self.shm_ids.alloc_cyclic(shp, 0, end))
        if idx < 0:
            return -ENOSPC
        if idx <= self.last_idx:
            self.seq = self.seq + 1 if self.seq + 1 < IPCID_SEQ_MAX else 0
        self.last_idx = idx
        shp.id = (self.seq << IPCMNI_SHIFT) + idx
        return shp.id

    def add_at(self, shp: Shmid, shmid: int) -> None:
        """Give a segment the id that a recording says it has; later ids go on from there."""
        shp.id = shmid
        idx = shmid & ((1 << IPCMNI_SHIFT) - 1)
        self.shm_ids.put(idx, shp)
        self.shm_ids.next = idx + 1
        self.last_idx, self.seq = idx, shmid >> IPCMNI_SHIFT
