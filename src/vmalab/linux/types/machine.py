# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel keeps in global variables besides those of memory management.

`LinuxMachine` of kernel/machine.py is one that can start and end tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mypy_extensions import mypyc_attr

from vmalab.linux.fs.exec_draws import ExecDraws
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.lib.idr import Ida
from vmalab.linux.mm.hugetlb_pool import LAST_INDEX, HState, HugetlbInode, hugetlb_init
from vmalab.linux.mm.page_tables import PageTables
from vmalab.linux.types.file import I_DIR, Inode
from vmalab.linux.types.ipc import IpcNamespace
from vmalab.linux.types.kernel_state import KernelState
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.seam import Seam
from vmalab.linux.types.super_block import HUGETLBFS, TMPFS, UNKNOWN_TYPE, SuperBlock

if TYPE_CHECKING:
    from vmalab.linux.types.task import Task

FIRST_PID: Final = 1000


@mypyc_attr(native_class=True)
class MachineState:
    """A kernel's tasks and files, its shared memory, and what is known of the world around it."""

    def __init__(self, config: KernelConfig, seam: Seam) -> None:
        self.config: KernelConfig = config
        self.seam: Seam = seam
        self.kernel: KernelState = seam.kernel
        # By thread id, all that have not exited.
        self.tasks: dict[int, Task] = {}
        # By absolute path, all that were opened or stated to exist.
        self.inodes: dict[str, Inode] = {}
        # File systems by device, as maps prints it, and by directory, which ends in "/": where
        # they are mounted, or a directory below the root that nothing is known of.
        self.super_blocks: dict[str, SuperBlock] = {}
        self.mounts: dict[str, SuperBlock] = {
            "/dev/shm/": SuperBlock(TMPFS),
            "/dev/hugepages/": SuperBlock(HUGETLBFS),
        }
        # No other files exist than those in `inodes`: opens and unlinks can be predicted.
        self.closed_world: bool = False
        # No thread changes what its protection keys forbid but by calls.
        self.knows_pkru: bool = True
        # Where the relative paths of a new process start that no other has made.
        self.cwd: str = "/"
        self.ipc_ns: IpcNamespace = IpcNamespace(self.kernel)
        # Devices of file systems that have none.
        self.unnamed_dev_ida: Ida = Ida()
        # Events of all contexts of asynchronous I/O, against fs.aio-max-nr.
        self.aio_nr: int = 0
        # The default size first.
        self.hstates: list[HState] = hugetlb_init(config, self.unnamed_dev_ida)
        # Whether programs are randomised as they start, unless their personality says no, and what
        # is drawn for the next one: a fact, for nothing is random here.
        self.randomize_va_space: bool = False
        self.exec_draws: ExecDraws = ExecDraws()
        self.last_pid: int = FIRST_PID - 1
        # The id that a recording says the next new task gets; 0 when it does not.
        self.expected_pid: int = 0

    def super_block(self, dev: str, path: str) -> SuperBlock:
        """Return the file system of a device; by the path where the device is "", not known."""
        known = self.super_blocks.get(dev)
        if known is not None:
            return known
        sb = self.mount_at(path)
        if dev != "":
            sb = self.super_blocks[dev] = sb.copy()
        return sb

    def mount_at(self, path: str) -> SuperBlock:
        """Return what is mounted at the longest part of a path, else what is in its first part."""
        at = path.rfind("/")
        while at >= 0:
            sb = self.mounts.get(path[: at + 1])
            if sb is not None:
                return sb
            at = path.rfind("/", 0, at)
        # "" stands for the files of the root itself.
        top = path[: path.find("/", 1) + 1]
        sb = self.mounts.get(top)
        if sb is None:
            sb = self.mounts[top] = SuperBlock(UNKNOWN_TYPE)
        return sb

    def add_inode(self, path: str, kind: int, dev: str, ino: int, size: int) -> Inode:
        """State that a file exists: kind I_*, device and number as in maps, size in bytes."""
        inode = Inode(kind, dev, ino)
        inode.size = size
        inode.i_sb = self.super_block("" if dev == "00:00" else dev, path)
        self.inodes[path] = inode
        return inode

    def add_directory(self, path: str) -> Inode:
        """State that a directory exists."""
        return self.add_inode(path, I_DIR, "00:00", -1, -1)

    def new_mm(self) -> Mm:
        """An empty address space with the layout of a 64-bit task whose stack limit is 8 MiB."""
        return Mm(self.seam, PageTables())

    def find_task(self, pid: int) -> Task | None:
        """Return the task with a thread id."""
        return self.tasks.get(pid)

    def take_pid(self) -> int:
        """Return the id of the next new task: what was expected, or else the next free number."""
        pid = self.expected_pid
        self.expected_pid = 0
        if pid == 0:
            pid = self.last_pid + 1
            while pid in self.tasks:
                pid += 1
        return pid

    def huge_inodes(self) -> list[HugetlbInode]:
        """The files of huge pages that no process need hold: segments, and those with a name."""
        inodes = [shp.shm_file.inode for shp in self.ipc_ns.segments()]
        found: list[HugetlbInode] = []
        for inode in inodes + list(self.inodes.values()):
            if inode.hugetlb is not None:
                found.append(inode.hugetlb)
        return found

    def leaks(self) -> list[str]:
        """Return what is still held, a sentence for each cache; empty once every task has exited.

        Segments that nobody removed hold their pages, which is no leak.
        """
        found: list[str] = []
        for cache in self.kernel.caches():
            if cache.nr_active != 0:
                found.append(f"{cache.nr_active} objects of {cache.name} are in use")
        charged = self.kernel.committed_as - self.kernel.commit_miscount
        for shp in self.ipc_ns.segments():
            charged -= shp.charged
        if charged != 0:
            found.append(f"{charged} pages are still charged")
        for h in self.hstates:
            pages = h.nr_committed
            for inode in self.huge_inodes():
                if inode.h is h:
                    pages -= inode.resv_map.count(0, LAST_INDEX)
            if pages != 0:
                found.append(f"{pages} huge pages of {h.size} bytes are still taken")
        if self.aio_nr != 0:
            found.append(f"{self.aio_nr} events of asynchronous I/O are still counted")
        return found
