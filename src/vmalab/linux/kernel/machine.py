# SPDX-License-Identifier: GPL-2.0-or-later
"""One running kernel: its configuration, its tasks, its files, its shared memory.

Everything that a kernel keeps in global variables hangs here, so two machines know nothing of each
other.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import mypyc_attr

from vmalab.linux.fs.exec_draws import ExecDraws
from vmalab.linux.fs.file import I_DIR, Inode
from vmalab.linux.fs.files import FilesStruct
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.ipc.shm import IpcNamespace
from vmalab.linux.kernel.exit import exit_task
from vmalab.linux.kernel.task import Task
from vmalab.linux.lib.idr import Ida
from vmalab.linux.mm.hugetlb import LAST_INDEX
from vmalab.linux.mm.hugetlb_pool import HState, HugetlbInode, hugetlb_init
from vmalab.linux.mm.page_tables import PageTables
from vmalab.linux.mm.vma_internal import Mm, VmaInternal
from vmalab.linux.types.kernel_state import KernelState

FIRST_PID: Final = 1000


@final
@mypyc_attr(native_class=True)
class Machine:
    """A kernel with its tasks and files."""

    def __init__(self, config: KernelConfig, seam: VmaInternal | None = None) -> None:
        self.config: KernelConfig = config
        self.seam: VmaInternal = VmaInternal(KernelState(config)) if seam is None else seam
        self.kernel: KernelState = self.seam.kernel
        # By thread id, all that have not exited.
        self.tasks: dict[int, Task] = {}
        # By absolute path, all that were opened or stated to exist.
        self.inodes: dict[str, Inode] = {}
        # Directories whose file systems are tmpfs, each ending in "/".
        self.tmpfs_mounts: list[str] = ["/dev/shm/"]
        # No other files exist than those in `inodes`: opens and unlinks can be predicted.
        self.closed_world: bool = False
        # No thread changes what its protection keys forbid but by calls.
        self.knows_pkru: bool = True
        # Where relative paths start.
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

    def is_tmpfs(self, path: str) -> bool:
        """Tell whether a path lies on a tmpfs."""
        for mount in self.tmpfs_mounts:
            if path.startswith(mount):
                return True
        return False

    def add_inode(self, path: str, kind: int, dev: str, ino: int, size: int) -> Inode:
        """State that a file exists: kind I_*, device and number as in maps, size in bytes."""
        inode = Inode(kind, dev, ino)
        inode.size = size
        self.inodes[path] = inode
        return inode

    def add_directory(self, path: str) -> Inode:
        """State that a directory exists."""
        return self.add_inode(path, I_DIR, "00:00", -1, -1)

    def new_mm(self) -> Mm:
        """An empty address space with the layout of a 64-bit task whose stack limit is 8 MiB."""
        return Mm(self.seam, PageTables())

    def spawn(self, pid: int = 0) -> Task:
        """A process with an empty address space, no files, no limits; `pid` 0 chooses a number."""
        if pid == 0:
            pid = self.take_pid()
        mm = self.new_mm()
        task = Task(self, pid, pid, mm, FilesStruct())
        mm.owner = task
        self.add_task(task)
        return task

    def add_task(self, task: Task) -> None:
        """Enter a new task; one that had its id and was never seen to exit, exits now."""
        old = self.tasks.get(task.pid)
        if old is not None:
            self.exit_task(old)
        self.tasks[task.pid] = task
        self.last_pid = task.pid

    def find_task(self, pid: int) -> Task | None:
        """The task with a thread id."""
        return self.tasks.get(pid)

    def take_pid(self) -> int:
        """The id of the next new task: what was expected, or else the next free number."""
        pid = self.expected_pid
        self.expected_pid = 0
        if pid == 0:
            pid = self.last_pid + 1
            while pid in self.tasks:
                pid += 1
        return pid

    def exit_task(self, task: Task) -> None:
        """A thread ends; see `kernel/exit.py`."""
        if self.tasks.get(task.pid) is task:
            del self.tasks[task.pid]
        exit_task(task)

    def shutdown(self) -> None:
        """Let every task exit, so that nothing of the machine stays behind in Python's memory."""
        for task in list(self.tasks.values()):
            self.exit_task(task)

    def huge_inodes(self) -> list[HugetlbInode]:
        """The files of huge pages that no process need hold: segments, and those with a name."""
        inodes = [shp.shm_file.inode for shp in self.ipc_ns.segments()]
        found: list[HugetlbInode] = []
        for inode in inodes + list(self.inodes.values()):
            if inode.hugetlb is not None:
                found.append(inode.hugetlb)
        return found

    def leaks(self) -> list[str]:
        """What is still held, a sentence for each cache; empty once every task has exited.

        Segments that nobody removed hold their pages, which is no leak.
        """
        found: list[str] = []
        for cache in self.kernel.caches():
            if cache.nr_active != 0:
                found.append(f"{cache.nr_active} objects of {cache.name} are in use")
        charged = self.kernel.committed_as
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
