# SPDX-License-Identifier: GPL-2.0-or-later
"""Starting an ELF program: from the program headers of a file to an address space.

Mirrors fs/binfmt_elf.c (v6.18), and as fs/compat_binfmt_elf.c does, the same for 32-bit programs.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.arch.x86.entry.vdso import map_vdso
from vmalab.linux.arch.x86.mmap import task_size_32
from vmalab.linux.fs.binfmts import LinuxBinprm, bprm_stack_limits
from vmalab.linux.fs.elf import ElfFile, ElfPhdr
from vmalab.linux.fs.elf_map import (
    address_error,
    bad_addr,
    elf_load,
    maximum_alignment,
    page_start,
    segment_is_too_large,
    total_mapping_size,
    vm_munmap,
    wrap,
)
from vmalab.linux.fs.exec import begin_new_exec, bprm_mm_init, setup_arg_pages
from vmalab.linux.include.page import (
    DEFAULT_MAP_WINDOW,
    PAGE_MASK,
    PAGE_SIZE,
    STACK_TOP_MAX,
    ULONG_MAX,
    page_align_ulong,
)
from vmalab.linux.include.uapi.elf import (
    ET_DYN,
    ET_EXEC,
    PF_X,
    PT_GNU_STACK,
    PT_LOAD,
)
from vmalab.linux.include.uapi.errno import (
    EFAULT,
    EINVAL,
    ELIBBAD,
    ENOEXEC,
    ENOMEM,
    EPERM,
)
from vmalab.linux.include.uapi.mman import (
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    PROT_EXEC,
    PROT_READ,
)
from vmalab.linux.include.uapi.personality import (
    ADDR_NO_RANDOMIZE,
    MMAP_PAGE_ZERO,
    READ_IMPLIES_EXEC,
)
from vmalab.linux.kernel.exit import mmput
from vmalab.linux.mm.mmap import vm_mmap
from vmalab.linux.mm.mseal import ksys_mseal
from vmalab.linux.mm.usercopy import copy_to_user
from vmalab.linux.mm.vma.stack import expand_downwards
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import find_vma

# Where position-independent programs go that have an interpreter: two thirds up the address space,
# or 16 MiB above a third of it.
ELF_ET_DYN_BASE: Final = DEFAULT_MAP_WINDOW // 3 * 2
COMPAT_DYN_OFFSET: Final = 0x1000000

# What PT_GNU_STACK says.
EXSTACK_DEFAULT: Final = 0
EXSTACK_DISABLE_X: Final = 1
EXSTACK_ENABLE_X: Final = 2

# Bytes at the top of the stack: the platform's name and the random bytes.
PLATFORM_SIZE: Final = 7
COMPAT_PLATFORM_SIZE: Final = 5
RANDOM_SIZE: Final = 16
# Entries of the auxiliary vector, AT_NULL's included: AT_RSEQ_* are two.
AUXV_ENTRIES: Final = 21
RSEQ_ENTRIES: Final = 2


@final
@mypyc_attr(native_class=True)
class ElfImage:
    """How far the program itself is loaded, and what its segments bound; bytes, unsigned."""

    def __init__(self) -> None:
        self.load_bias: int = 0
        self.start_code: int = ULONG_MAX
        self.end_code: int = 0
        self.start_data: int = 0
        self.end_data: int = 0
        self.elf_brk: int = 0


def load_elf_binary(task: Task, bprm: LinuxBinprm) -> int:
    """Replace the program of `task` by the one that `bprm` describes: 0 or -errno.

    Errors before `bprm.point_of_no_return` is set leave the task as it was: ENOEXEC (no program for
    this machine), ELIBBAD (an interpreter that is none), EIO (it is cut short), what opening the
    interpreter answered, E2BIG (arguments), ENOMEM.  Later ones are for the caller to end the task:
    EINVAL (segments beyond the address space), EEXIST (where something is), EPERM (an interpreter
    that is no program), EFAULT, ENOMEM and those of `do_mmap`.  Kernel: load_elf_binary().
    """
    err = check_headers(task, bprm)
    if err == 0:
        err = replace_program(task, bprm)
    mm = task.mm
    if err != 0 or mm is None:
        return err
    image = ElfImage()
    err = load_segments(task, mm, bprm, image)
    if err == 0 and bprm.interpreter is not None:
        err = load_elf_interp(task, mm, bprm, image)
    elif err == 0 and bad_addr(mm, wrap(bprm.elf.e_entry + image.load_bias)):
        err = -EINVAL
    if err != 0:
        return err
    config = mm.config
    size = config.vdso32_size if task.compat else config.vdso64_size
    if size != 0:
        err = int(map_vdso(mm, size, bprm.vdso_addr if task.randomize else 0))
    if err == 0:
        err = create_elf_tables(task, mm, bprm)
    if err != 0:
        return err
    mm.start_code, mm.end_code = wrap_addr(image.start_code), wrap_addr(image.end_code)
    mm.start_data, mm.end_data = wrap_addr(image.start_data), wrap_addr(image.end_data)
    mm.start_stack = bprm.p
    choose_brk(task, mm, bprm, image)
    if task.personality & MMAP_PAGE_ZERO != 0:
        map_page_zero(task)
    return 0


def elf_et_dyn_base(task: Task) -> int:
    """Return where position-independent programs go that have an interpreter, before it is random.

    Kernel: ELF_ET_DYN_BASE.
    """
    if not task.compat:
        return ELF_ET_DYN_BASE
    return ((int(task_size_32(task)) // 3 + PAGE_SIZE - 1) & PAGE_MASK) + COMPAT_DYN_OFFSET


def check_headers(task: Task, bprm: LinuxBinprm) -> int:
    """Check program and interpreter while the old program still is there: 0 or -errno."""
    elf = bprm.elf
    if elf.error != 0:
        return elf.error
    many = task.machine.config.features.many_program_headers
    if not many and elf.table_size() > 4096:
        return -ENOEXEC
    if elf.e_type not in (ET_EXEC, ET_DYN) or not bprm.file.f_op.can_mmap:
        return -ENOEXEC
    if elf.interp is None:
        bprm.interpreter = None
        return 0
    interp = bprm.interp_elf
    if bprm.interpreter is None or interp is None:
        return bprm.interp_error
    if interp.error != 0:
        return interp.error
    if interp.is_compat() != elf.is_compat() or (not many and interp.table_size() > 4096):
        return -ELIBBAD
    return 0


def executable_stack(elf: ElfFile) -> int:
    """Return what the program says of its stack, EXSTACK_*; the last header that does counts."""
    result = EXSTACK_DEFAULT
    for phdr in elf.phdrs:
        if phdr.p_type == PT_GNU_STACK:
            result = EXSTACK_ENABLE_X if phdr.p_flags & PF_X != 0 else EXSTACK_DISABLE_X
    return result


def replace_program(task: Task, bprm: LinuxBinprm) -> int:
    """Put the arguments on a new stack, leave the old program, move the stack: 0 or -errno.

    A 32-bit program that does not speak of its stack may execute whatever it can read.
    """
    err = bprm_stack_limits(bprm, task)
    if err != 0:
        return err
    mm = task.machine.new_mm()
    mm.owner = task
    size = bprm.stack_size()
    err = int(bprm_mm_init(mm, size))
    if err != 0:
        mmput(mm)
        return err
    task.compat = bprm.elf.is_compat()
    randomize = task.randomize and task.personality & ADDR_NO_RANDOMIZE == 0
    bprm.point_of_no_return = True
    begin_new_exec(task, bprm.mmap_rnd if randomize else 0, mm)
    stack = executable_stack(bprm.elf)
    if task.compat and stack == EXSTACK_DEFAULT:
        task.personality |= READ_IMPLIES_EXEC
    implied = stack == EXSTACK_DEFAULT and task.personality & READ_IMPLIES_EXEC != 0
    top = int(task_size_32(task)) if task.compat else STACK_TOP_MAX
    if randomize:
        top -= bprm.stack_rnd
    err = int(setup_arg_pages(mm, top, size, implied or stack == EXSTACK_ENABLE_X))
    bprm.p = mm.arg_start
    return err


def load_segments(task: Task, mm: Mm, bprm: LinuxBinprm, image: ElfImage) -> int:
    """Map the program's own segments and note what they bound: 0 or -errno."""
    elf = bprm.elf
    first = True
    for phdr in elf.phdrs:
        if phdr.p_type != PT_LOAD:
            continue
        flags, total_size = MAP_PRIVATE, 0
        if not first:
            flags |= MAP_FIXED
        elif elf.e_type == ET_EXEC:
            flags |= MAP_FIXED_NOREPLACE
        else:
            total_size = total_mapping_size(elf)
            err = choose_load_bias(task, mm, bprm, phdr, total_size, image)
            if err < 0:
                return err
            flags |= err
        where = wrap(image.load_bias + phdr.p_vaddr)
        addr = elf_load(task, mm, bprm.file, where, phdr, flags, total_size)
        if bad_addr(mm, addr):
            return address_error(addr)
        if first and elf.e_type == ET_DYN:
            image.load_bias = wrap(image.load_bias + addr - page_start(where))
        first = False
        if segment_is_too_large(mm, phdr.p_vaddr, phdr):
            return -EINVAL
        note_segment(image, phdr)
    bias = image.load_bias
    image.start_code, image.end_code = wrap(image.start_code + bias), wrap(image.end_code + bias)
    image.start_data, image.end_data = wrap(image.start_data + bias), wrap(image.end_data + bias)
    image.elf_brk = wrap(image.elf_brk + bias)
    return 0


def choose_load_bias(
    task: Task, mm: Mm, bprm: LinuxBinprm, phdr: ElfPhdr, total_size: int, image: ElfImage
) -> int:
    """Choose where a position-independent program goes: MAP_* flags for its start, or -errno.

    One with an interpreter has a place of its own; others, loaders themselves, go where mappings
    go, which for a large alignment is found out by mapping and unmapping.  Errors: EINVAL (nothing
    to load), those of `elf_load`.
    """
    if total_size == 0:
        return -EINVAL
    alignment = maximum_alignment(bprm.elf)
    flags = 0
    bias = 0
    if bprm.interpreter is not None:
        bias = elf_et_dyn_base(task)
        if task.randomize:
            bias += bprm.exec_rnd
        if alignment != 0:
            bias &= ~(alignment - 1)
        flags = MAP_FIXED_NOREPLACE
    elif alignment > PAGE_SIZE:
        bias = elf_load(task, mm, bprm.file, 0, phdr, MAP_PRIVATE, total_size)
        if bad_addr(mm, bias):
            return address_error(bias)
        vm_munmap(mm, bias, total_size)
        bias &= ~(alignment - 1)
        flags = MAP_FIXED_NOREPLACE
    image.load_bias = page_start(wrap(bias - phdr.p_vaddr))
    return flags


def note_segment(image: ElfImage, phdr: ElfPhdr) -> None:
    """Let code, data and heap bound what a segment that was mapped says of them."""
    executable = phdr.p_flags & PF_X != 0
    if executable and phdr.p_vaddr < image.start_code:
        image.start_code = phdr.p_vaddr
    image.start_data = max(image.start_data, phdr.p_vaddr)
    end = wrap(phdr.p_vaddr + phdr.p_filesz)
    if executable:
        image.end_code = max(image.end_code, end)
    image.end_data = max(image.end_data, end)
    image.elf_brk = max(image.elf_brk, wrap(phdr.p_vaddr + phdr.p_memsz))


def load_elf_interp(task: Task, mm: Mm, bprm: LinuxBinprm, image: ElfImage) -> int:
    """Map the interpreter's segments: 0 or -errno.  Kernel: load_elf_interp()."""
    elf, file = bprm.interp_elf, bprm.interpreter
    if elf is None or file is None:
        return -ELIBBAD
    if elf.e_type not in (ET_EXEC, ET_DYN) or not file.f_op.can_mmap:
        return -EPERM
    total_size = total_mapping_size(elf)
    if total_size == 0:
        return -EINVAL
    load_addr = 0
    placed = elf.e_type == ET_EXEC
    for phdr in elf.phdrs:
        if phdr.p_type != PT_LOAD:
            continue
        flags = MAP_PRIVATE
        if placed:
            flags |= MAP_FIXED
        elif image.load_bias != 0:
            # Anywhere; beside a program at its own addresses, at the interpreter's as a hint.
            load_addr = wrap(-phdr.p_vaddr)
        addr = elf_load(task, mm, file, wrap(load_addr + phdr.p_vaddr), phdr, flags, total_size)
        total_size = 0
        if bad_addr(mm, addr):
            return address_error(addr)
        if not placed:
            load_addr = wrap(addr - page_start(phdr.p_vaddr))
            placed = True
        if segment_is_too_large(mm, wrap(load_addr + phdr.p_vaddr), phdr):
            return -ENOMEM
    return -EINVAL if bad_addr(mm, wrap(load_addr + elf.e_entry)) else 0


def create_elf_tables(task: Task, mm: Mm, bprm: LinuxBinprm) -> int:
    """Put what the program finds on its stack there, below the strings: 0 or -EFAULT.

    Kernel: create_elf_tables().
    """
    word = 4 if task.compat else 8
    p: int = mm.arg_start
    if task.randomize:
        p -= bprm.sp_rnd
    p &= ~15
    p -= (COMPAT_PLATFORM_SIZE if task.compat else PLATFORM_SIZE) + RANDOM_SIZE
    entries = AUXV_ENTRIES + (1 if task.compat else 0)
    if mm.features.auxv_has_rseq:
        entries += RSEQ_ENTRIES
    items = bprm.argc + 1 + bprm.envc + 1 + 1
    p = (p - 2 * entries * word - items * word) & ~15
    if bprm.start_stack != 0:
        p = bprm.start_stack
    vma = find_vma(mm, p)
    if vma is None:
        return -EFAULT
    if vma.vm_start > p and expand_downwards(vma, p & PAGE_MASK) != 0:
        return -EFAULT
    arg_start: int = mm.arg_start
    if not copy_to_user(mm, p, arg_start - p):
        return -EFAULT
    bprm.p = p
    mm.arg_end = arg_start + bprm.arg_size
    mm.env_start = mm.arg_end
    mm.env_end = mm.env_start + bprm.env_size
    return 0


def wrap_addr(addr: int) -> i64:
    """Return a sum of addresses that may have wrapped, as the same 64 bits signed."""
    return addr if addr < 1 << 63 else addr - (1 << 64)


def choose_brk(task: Task, mm: Mm, bprm: LinuxBinprm, image: ElfImage) -> None:
    """Choose where the heap starts: behind the program; for a loader, where programs go.

    A randomised heap starts a page behind the program at least.
    """
    brk = image.elf_brk
    moved = bprm.elf.e_type == ET_DYN and bprm.interpreter is None
    if moved:
        brk = elf_et_dyn_base(task)
    brk = page_align_ulong(brk)
    if task.randomize and bprm.randomize_brk:
        brk += bprm.brk_rnd + (0 if moved else PAGE_SIZE)
    mm.start_brk = wrap_addr(brk)
    mm.brk = mm.start_brk


def map_page_zero(task: Task) -> None:
    """Map page 0 for programs that read through null pointers, and keep them from changing it."""
    result = vm_mmap(task, None, 0, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_FIXED | MAP_PRIVATE, 0)
    if result == 0:
        ksys_mseal(task, 0, PAGE_SIZE, 0)
