# SPDX-License-Identifier: GPL-2.0-or-later
"""PROCMAP_QUERY: asking /proc/PID/maps for one VMA, by address and by what it must be.

Mirrors do_procmap_query() of fs/proc/task_mmu.c (v6.18).
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.fs.proc.smaps import vma_kernel_pagesize
from vmalab.linux.fs.proc.task_mmu import vma_dev, vma_ino, vma_name, vma_pgoff_shown
from vmalab.linux.include.mm_flags import VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE
from vmalab.linux.include.uapi.errno import (
    E2BIG,
    EFAULT,
    EINVAL,
    ENAMETOOLONG,
    ENOENT,
    ENOSYS,
    ENOTTY,
    ESRCH,
)
from vmalab.linux.include.uapi.procfs import (
    PROCMAP_QUERY_COVERING_OR_NEXT_VMA,
    PROCMAP_QUERY_FILE_BACKED_VMA,
    PROCMAP_QUERY_SIZE,
    PROCMAP_QUERY_SIZE_MIN,
    PROCMAP_QUERY_VALID_FLAGS_MASK,
    PROCMAP_QUERY_VMA_EXECUTABLE,
    PROCMAP_QUERY_VMA_READABLE,
    PROCMAP_QUERY_VMA_SHARED,
    PROCMAP_QUERY_VMA_WRITABLE,
)
from vmalab.linux.types.mm_types import Mm, Vma
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

PATH_MAX: Final = 4096
# A file's build ID, which stands inside it.
BUILD_ID_UNKNOWN: Final = -1


@final
@mypyc_attr(native_class=True)
class ProcmapQuery:
    """struct procmap_query: what is asked, and what is answered; bytes, unsigned 64-bit."""

    def __init__(self, query_addr: int, query_flags: int = 0) -> None:
        self.size: int = PROCMAP_QUERY_SIZE
        self.query_flags: int = query_flags
        self.query_addr: int = query_addr
        # Room for the name with its final NUL, 0 when it is not asked for; then how much it took.
        self.vma_name_size: int = 0
        self.vma_name_addr: int = 0
        # The same for the build ID, which is 0 bytes long without a file, else not known here.
        self.build_id_size: int = 0
        self.build_id_addr: int = 0
        self.vma_start: int = 0
        self.vma_end: int = 0
        self.vma_flags: int = 0
        self.vma_page_size: int = 0
        self.vma_offset: int = 0
        self.inode: int = 0
        self.dev_major: int = 0
        self.dev_minor: int = 0
        self.vma_name: str = ""


def procfs_procmap_ioctl(task: Task, path: str, arg: int, mem: object) -> int:
    """PROCMAP_QUERY on an open file: 0 or -errno; `mem` holds the fields of the caller's structure.

    Errors: ENOTTY (no /proc/PID/maps, or no such request), EFAULT, ENOSYS (a structure or a process
    that is not known here), and those of `do_procmap_query`.  The process is asked as it is now,
    even if it has begun another program since the file was opened.
    """
    parts = path.split("/")
    if len(parts) != 4 or parts[1] != "proc" or parts[3] != "maps":
        return -ENOTTY
    if not task.machine.config.features.procmap_query:
        return -ENOTTY
    if arg == 0:
        return -EFAULT
    target: Task | None = task
    if parts[2].isdecimal() and parts[2].isascii():
        target = task.machine.find_task(int(parts[2]))
    if target is None or not isinstance(mem, dict):
        return -ENOSYS
    query = ProcmapQuery(number(mem, "query_addr", 0), number(mem, "query_flags", 0))
    query.size = number(mem, "size", PROCMAP_QUERY_SIZE)
    query.vma_name_size = number(mem, "vma_name_size", 0)
    query.vma_name_addr = number(mem, "vma_name_addr", query.vma_name_size)
    query.build_id_size = number(mem, "build_id_size", 0)
    query.build_id_addr = number(mem, "build_id_addr", query.build_id_size)
    return int(do_procmap_query(target.mm, query))


def number(mem: dict[object, object], name: str, default: int) -> int:
    """Return a field of a structure, or what stands for one that is not shown."""
    value = mem.get(name)
    return value if isinstance(value, int) else default


def do_procmap_query(mm: Mm | None, query: ProcmapQuery) -> i64:
    """Answer a query about an address space, None for one that is gone: 0 or -errno.

    Errors: E2BIG (a structure larger than a page), EINVAL (a smaller one than any, unknown flags,
    a buffer without size or the reverse), ESRCH, ENOENT (no such VMA), ENAMETOOLONG.
    """
    if query.size > 4096:
        return -E2BIG
    if query.size < PROCMAP_QUERY_SIZE_MIN:
        return -EINVAL
    if query.query_flags & ~PROCMAP_QUERY_VALID_FLAGS_MASK != 0:
        return -EINVAL
    if (query.vma_name_size != 0) != (query.vma_name_addr != 0):
        return -EINVAL
    if (query.build_id_size != 0) != (query.build_id_addr != 0):
        return -EINVAL
    if mm is None or mm.mm_users == 0:
        return -ESRCH
    vma = query_matching_vma(mm, query.query_addr, query.query_flags)
    if vma is None:
        return -ENOENT
    query.vma_start, query.vma_end = vma.vm_start, vma.vm_end
    query.vma_flags = query_flags_of(vma)
    query.vma_page_size = vma_kernel_pagesize(vma)
    query.vma_offset = vma_pgoff_shown(vma)
    query.inode = max(vma_ino(vma), 0)
    major, _, minor = vma_dev(vma).partition(":")
    query.dev_major, query.dev_minor = int(major, 16), int(minor, 16)
    if query.vma_name_size != 0:
        name = query_name(vma)
        size = len(name.encode("utf-8", "replace")) + 1 if name != "" else 0
        if size > min(PATH_MAX, query.vma_name_size):
            return -ENAMETOOLONG
        query.vma_name, query.vma_name_size = name, size
    if query.build_id_size != 0:
        query.build_id_size = 0 if vma.vm_file is None else BUILD_ID_UNKNOWN
    return 0


def query_matching_vma(mm: Mm, addr: int, flags: int) -> Vma | None:
    """The VMA at an address, or with COVERING_OR_NEXT from there on, that is as the flags ask."""
    if not 0 <= addr < mm.task_size:
        return None
    wanted: i64 = 0
    if flags & PROCMAP_QUERY_VMA_READABLE != 0:
        wanted |= VM_READ
    if flags & PROCMAP_QUERY_VMA_WRITABLE != 0:
        wanted |= VM_WRITE
    if flags & PROCMAP_QUERY_VMA_EXECUTABLE != 0:
        wanted |= VM_EXEC
    if flags & PROCMAP_QUERY_VMA_SHARED != 0:
        wanted |= VM_MAYSHARE
    position: i64 = addr
    vma = find_vma(mm, position)
    while vma is not None:
        next_too = flags & PROCMAP_QUERY_COVERING_OR_NEXT_VMA != 0
        fits = flags & PROCMAP_QUERY_FILE_BACKED_VMA == 0 or vma.vm_file is not None
        if fits and vma.vm_flags & wanted == wanted and (next_too or vma.vm_start <= position):
            return vma
        if not next_too:
            return None
        position = vma.vm_end
        vma = find_vma(mm, position)
    return None


def query_flags_of(vma: Vma) -> int:
    """PROCMAP_QUERY_VMA_* of a VMA."""
    flags = 0
    if vma.vm_flags & VM_READ != 0:
        flags |= PROCMAP_QUERY_VMA_READABLE
    if vma.vm_flags & VM_WRITE != 0:
        flags |= PROCMAP_QUERY_VMA_WRITABLE
    if vma.vm_flags & VM_EXEC != 0:
        flags |= PROCMAP_QUERY_VMA_EXECUTABLE
    if vma.vm_flags & VM_MAYSHARE != 0:
        flags |= PROCMAP_QUERY_VMA_SHARED
    return flags


def query_name(vma: Vma) -> str:
    """Return the name of a VMA as it is, where maps escapes it."""
    file = vma.vm_file
    if file is not None and vma.anon_name is None:
        return file.path
    return vma_name(vma)
