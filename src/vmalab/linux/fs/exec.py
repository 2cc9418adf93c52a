# SPDX-License-Identifier: GPL-2.0-or-later
"""Starting a program in a task: an empty address space, its stack, its first mappings.

Mirrors fs/exec.c (v6.18) as far as the map goes.  What an image maps is its loader's doing, and a
fact of a recording: `restore_vma` enters VMAs as a snapshot shows them.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.arch.x86.mmap import arch_pick_mmap_layout, task_size_32
from vmalab.linux.include.mm_flags import (
    VM_ACCOUNT,
    VM_EXEC,
    VM_LOCKED,
    VM_STACK_FLAGS,
)
from vmalab.linux.include.page import (
    PAGE_MASK,
    PAGE_SIZE,
    STACK_TOP_MAX,
    TASK_SIZE_MAX,
)
from vmalab.linux.include.uapi.errno import E2BIG, EEXIST, EFAULT, EINVAL, ENOMEM
from vmalab.linux.include.uapi.personality import ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC
from vmalab.linux.include.uapi.resource import RLIMIT_STACK
from vmalab.linux.kernel.exit import exit_task, mmput
from vmalab.linux.kernel.fork import mm_init
from vmalab.linux.mm.accounting import vm_stat_account
from vmalab.linux.mm.page_tables import PTE_ANON
from vmalab.linux.mm.rmap import attach_anon_vma, unlink_anon_vmas
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.mm.vma.link import vma_link
from vmalab.linux.mm.vma.stack import expand_downwards
from vmalab.linux.mm.vma_exec import create_init_stack_vma, relocate_vma_down
from vmalab.linux.mm.vma_init import vm_area_alloc, vm_area_free
from vmalab.linux.security.commoncap import cap_bprm_creds_from_file
from vmalab.linux.types.file import File
from vmalab.linux.types.files import unshare_files
from vmalab.linux.types.mm_types import Mm, Vma, VmOps, vma_pages
from vmalab.linux.types.task import INIT_PKRU, Task
from vmalab.linux.types.vma_iterator import find_vma, find_vma_intersection

# How much stack a new program gets beyond its arguments, bytes.
STACK_EXPAND: Final = 131072


@final
@mypyc_attr(native_class=True)
class SpecialMappingOps(VmOps):
    """vm_operations_struct of [vdso], [vvar] and other pages of the kernel's own.

    They are never merged, and split by old kernels only; they may be moved as a whole.
    """

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label
        self.has_close = True

    def may_split(self, vma: Vma, addr: i64) -> i64:
        """Refuse: -EINVAL (`special_mapping_split`)."""
        return -EINVAL if vma.vm_mm.features.special_mappings_stay_whole else 0


def begin_new_exec(task: Task, rnd: i64 = 0, new: Mm | None = None) -> Mm:
    """Leave the old program: no other thread, descriptors of its own, another address space.

    `rnd` is the random part of mmap_base, in bytes; `new` the address space with the arguments
    (`bprm_mm_init`), None for an empty one.  Kernel: begin_new_exec(), setup_new_exec().
    """
    machine = task.machine
    for other in list(machine.tasks.values()):
        if other.tgid == task.tgid and other is not task:
            exit_task(other)
    if not task.compat:
        task.personality &= ~READ_IMPLIES_EXEC
    if task.personality & ADDR_NO_RANDOMIZE != 0:
        task.randomize = False
    task.files = unshare_files(task.files)
    task.files.close_marked()
    cap_bprm_creds_from_file(task.cred)
    old = task.mm
    mm = machine.new_mm() if new is None else new
    mm.owner = task
    if old is not None:
        mm_init(mm, old)
        # A parent in vfork keeps on using it.
        mmput(old)
    mm.task_size = task_size_32(task) if task.compat else TASK_SIZE_MAX
    task.mm = mm
    task.pkru = INIT_PKRU
    task.shstk_features = task.shstk_locked = 0
    if old is not None and old.mmap_lock != 0:
        # The call goes on with this one.
        machine.seam.mmap_write_lock(mm)
    arch_pick_mmap_layout(mm, task, rnd)
    return mm


def bprm_mm_init(mm: Mm, arg_size: i64) -> i64:
    """Make a stack at the top of an empty address space and fill it: 0, ENOMEM or E2BIG.

    `arg_size` is how far down arguments and environment reach, in bytes.  E2BIG: RLIMIT_STACK,
    other limits or memory are in the way of that much.  Kernel: bprm_mm_init(), copy_strings().
    """
    vma = create_init_stack_vma(mm)
    if vma is None:
        return -ENOMEM
    bottom = (vma.vm_end - max(arg_size, 1)) & PAGE_MASK
    if anon_vma_prepare(vma) != 0 or (bottom < vma.vm_start and expand_downwards(vma, bottom) != 0):
        return -E2BIG
    mm.page_tables.set(vma.vm_start, vma.vm_end, PTE_ANON)
    return 0


def setup_arg_pages(mm: Mm, stack_top: i64, arg_size: i64, executable: bool) -> i64:
    """Move the stack that `bprm_mm_init` made to its place and let it grow: 0 or -errno.

    `stack_top` is where it ends, `arg_size` how many bytes are in use.  It grows by 128 KiB, or as
    far as RLIMIT_STACK allows.  Errors: ENOMEM (no room at such a place, memory), EFAULT (something
    is in the way).  Kernel: setup_arg_pages().
    """
    vma = find_vma(mm, 0)
    stack_top = (stack_top + PAGE_SIZE - 1) & PAGE_MASK
    if vma is None or vma.vm_end - vma.vm_start >= stack_top - mm.config.mmap_min_addr:
        return -ENOMEM
    start_stack = stack_top - arg_size
    # The flags of a stack under construction are still set while it moves.
    if executable:
        vma.vm_flags |= VM_EXEC
    vma.vm_flags |= mm.def_flags
    shift = vma.vm_end - stack_top
    if shift != 0:
        # On its way it is where a 32-bit program has no addresses.
        task_size = mm.task_size
        mm.task_size = max(task_size, STACK_TOP_MAX)
        old_start, old_end = vma.vm_start, vma.vm_end
        err = relocate_vma_down(vma, shift)
        mm.task_size = task_size
        if err != 0:
            return err
        mm.page_tables.tables.free(max(old_start, vma.vm_end), old_end, vma.vm_end, 0)
    # Whole new flags, as mprotect_fixup() gives them: the stack is not soft-dirty any more.
    vma.vm_flags = VM_STACK_FLAGS | mm.def_flags | (VM_EXEC if executable else 0)
    limit = mm.seam.rlimit(mm, RLIMIT_STACK) & PAGE_MASK
    base = vma.vm_end - min(limit, vma.vm_end - vma.vm_start + STACK_EXPAND)
    mm.arg_start = start_stack
    mm.start_stack = start_stack
    return 0 if expand_downwards(vma, base) == 0 else -EFAULT


def restore_vma(
    mm: Mm,
    start: i64,
    end: i64,
    vm_flags: i64,
    pgoff: i64,
    file: File | None,
    ops: VmOps | None,
    faulted: bool = False,
) -> i64:
    """Enter a VMA as a snapshot shows it, `[start, end)` in bytes, `pgoff` in pages: 0 or -errno.

    Counters and charges are as if it had been mapped; a reference of the file is taken.  `ops` are
    the operations it ended up with (None: anonymous).  `faulted` gives it an anon_vma of its own.
    Errors: EINVAL (empty or not page aligned, outside the address space), EEXIST (something is
    there), ENOMEM.
    """
    if start & ~PAGE_MASK != 0 or end & ~PAGE_MASK != 0 or not 0 <= start < end <= mm.task_size:
        return -EINVAL
    if find_vma_intersection(mm, start, end) is not None:
        return -EEXIST
    vma = vm_area_alloc(mm)
    if vma is None:
        return -ENOMEM
    vma.vm_start, vma.vm_end, vma.vm_pgoff = start, end, pgoff
    vma.vm_flags = vm_flags
    vma.vm_file = file
    vma.vm_ops = ops
    if faulted and attach_anon_vma(vma, None) != 0:
        vm_area_free(vma)
        return -ENOMEM
    # Whatever ran before it was shown may have touched it, and may go on doing so.
    mm.page_tables.complete = False
    seam = mm.seam
    pages = vma_pages(vma)
    vm_stat_account(mm, vm_flags, pages)
    locked = pages if vm_flags & VM_LOCKED != 0 else 0
    charged = pages if vm_flags & VM_ACCOUNT != 0 else 0
    mm.locked_vm += locked
    mm.kernel.committed_as += charged
    if file is not None:
        seam.get_file(file)
    if vma_link(mm, vma) == 0:
        return 0
    vm_stat_account(mm, vm_flags, -pages)
    mm.locked_vm -= locked
    mm.kernel.committed_as -= charged
    if file is not None:
        seam.fput(file)
    unlink_anon_vmas(vma)
    vm_area_free(vma)
    return -ENOMEM
