# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the address space of a process image from its recorded first map."""

from collections.abc import Mapping
from typing import Final

from vmalab.calls.snapshot import NO_FILE, Snapshot, VmaLine
from vmalab.linux.fs.exec import SpecialMappingOps, restore_vma
from vmalab.linux.fs.hugetlbfs import HugetlbFileOps, hugetlb_fops
from vmalab.linux.fs.open import file_ops, fs_fops, put_on
from vmalab.linux.fs.overlayfs import OverlayFileOps, real_file
from vmalab.linux.include.mm_flags import VM_GROWSDOWN, VM_MAYWRITE, VM_SHARED
from vmalab.linux.include.page import PAGE_SHIFT, STACK_TOP_MAX, TASK_SIZE_5LEVEL, USER_END
from vmalab.linux.mm.filemap import GenericFileOps
from vmalab.linux.mm.rmap import anon_vma_alloc, attach_anon_vma, link_anon_vma
from vmalab.linux.mm.secretmem import SECRETMEM_NAME, SecretmemFileOps, secretmem_fops
from vmalab.linux.mm.shmem import SHMEM_DEV, ShmemFileOps, shmem_fops
from vmalab.linux.types.file import FMODE_READ, FMODE_WRITE, I_REG, File, FileOps, Inode
from vmalab.linux.types.machine import MachineState
from vmalab.linux.types.mm_types import AnonVma, Mm, VmOps
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.recording.format.meta import MetaImage
from vmalab.targets.model.identity import Identities
from vmalab.targets.model.vmflags import flags_to_restore

# How far below its highest place the area for mappings may begin: 28 random bits of pages.
MMAP_RANDOM: Final = 1 << 40

# Files that the kernel makes on mounts of its own.
_KERNEL_FILES: Final = ("/memfd:", "/SYSV", "/dev/zero", "/anon_hugepage")
_OWN_NAMES: Final = ("[heap]", "[stack]", "")


def ops_of(f_op: FileOps) -> VmOps | None:
    """Return the operations that mappings of such a file have."""
    if isinstance(
        f_op, GenericFileOps | ShmemFileOps | HugetlbFileOps | OverlayFileOps | SecretmemFileOps
    ):
        return f_op.vm_ops
    return None


def file_of_line(machine: MachineState, identities: Identities, line: VmaLine) -> File:
    """Return a file for what a line shows, open for all that its flags allow.

    Not one of a descriptor.
    """
    path = line.name.removesuffix(" (deleted)")
    inode = identities.inode(line)
    kernels = line.dev == SHMEM_DEV or line.name.startswith(_KERNEL_FILES)
    if inode is None:
        inode = Inode(I_REG, line.dev, line.inode)
        if not kernels:
            put_on(machine, inode, machine.super_block(line.dev, path))
        identities.enter(inode, line.identity)
    if line.flags is not None and "ht" in line.flags:
        f_op: FileOps = hugetlb_fops
    elif line.name == SECRETMEM_NAME:
        f_op = secretmem_fops
    elif kernels:
        f_op = shmem_fops
    else:
        f_op = file_ops(path, inode)
        if not f_op.can_mmap:
            f_op = fs_fops(inode.i_sb)
    mode = FMODE_READ
    if flags_to_restore(line) & (VM_SHARED | VM_MAYWRITE) == VM_SHARED | VM_MAYWRITE:
        mode |= FMODE_WRITE
    return File(inode, line.name, mode, f_op)


def file_of_vma(file: File) -> File:
    """Return what a VMA of an open file holds: itself, or the file below one of an overlayfs."""
    return real_file(file) if isinstance(file.f_op, OverlayFileOps) else file


def anonymous_pgoff(line: VmaLine) -> int:
    """Return the page offset of an anonymous VMA that exec made.

    A stack is made at the top of the address space and moved down, and keeps its first offsets.
    """
    if flags_to_restore(line) & VM_GROWSDOWN and line.name == "[stack]":
        return (STACK_TOP_MAX - line.size) >> PAGE_SHIFT
    return line.start >> PAGE_SHIFT


def restore_line(
    machine: MachineState, mm: Mm, line: VmaLine, file: File | None, *, faulted: bool
) -> int:
    """Enter a VMA as a line shows it: 0 or -errno. file: None for a line that shows none."""
    ops: VmOps | None = None
    pgoff = line.pgoff >> PAGE_SHIFT
    if file is not None:
        file = file_of_vma(file)
        ops = ops_of(file.f_op)
    elif line.name in _OWN_NAMES or line.name.startswith("[anon"):
        pgoff = anonymous_pgoff(line)
    else:
        ops = SpecialMappingOps(line.name)
    flags = flags_to_restore(line)
    err = restore_vma(mm, line.start, line.end, flags, pgoff, file, ops, faulted)
    if err == 0 and line.name.startswith(("[anon:", "[anon_shmem:")):
        vma = vma_lookup(mm, line.start)
        if vma is not None:
            vma.anon_name = line.name.partition(":")[2][:-1]
    return int(err)


def restore_snapshot(
    machine: MachineState,
    identities: Identities,
    mm: Mm,
    lines: Snapshot,
    faulted: tuple[tuple[int, int], ...] | None,
) -> str:
    """Fill an empty address space: "", or what is wrong with the lines.

    One file stands for all lines of one device and inode, as exec maps a program and its loader.
    faulted: ranges of VMAs that have anonymous pages; None when not known: the stack, which holds
    the program's arguments.
    """
    files: dict[tuple[str, int], File] = {}
    for line in lines:
        if line.start >= USER_END:
            continue
        file: File | None = None
        if line.identity != NO_FILE:
            file = files.get(line.identity)
            if file is None:
                file = files[line.identity] = file_of_line(machine, identities, line)
        if faulted is None:
            touched = line.name == "[stack]"
        else:
            touched = any(start <= line.start < end for start, end in faulted)
        if restore_line(machine, mm, line, file, faulted=touched) != 0:
            where = f"the range {line.start:x}-{line.end:x} is invalid"
            return f"{where}: it overlaps another, or lies beyond the end"
    for file in files.values():
        # The loader's own references go; the mappings keep theirs.
        machine.seam.fput(file)
    return ""


def restore_rmap(mm: Mm, rows: tuple[tuple[int, ...], ...]) -> None:
    """Give VMAs the page offsets and the anon_vmas that the kernel said they have.

    rows: as of `MetaImage.rmap`. Preconditions: no VMA has an anon_vma.
    """
    known: dict[int, AnonVma] = {}
    others: AnonVma | None = None
    for start, pgoff, anon, chained in rows:
        vma = vma_lookup(mm, start)
        if vma is None or vma.vm_start != start:
            continue
        if vma.vm_file is None and pgoff < 1 << 52:
            vma.vm_pgoff = pgoff
        if anon == 0:
            continue
        if chained:
            if others is None:
                others = anon_vma_alloc(vma)
            if others is not None:
                link_anon_vma(vma, others)
        if attach_anon_vma(vma, known.get(anon)) == 0 and vma.anon_vma is not None:
            known[anon] = vma.anon_vma


def set_layout(mm: Mm, image: MetaImage, lines: Snapshot, *, randomized: bool) -> None:
    """Set the addresses of an image that its first map and meta.json tell.

    Preconditions: mm.mmap_base is where it would be without randomisation.
    """
    fields = image.mm
    mm.start_code = _address(fields, "start_code")
    mm.end_code = _address(fields, "end_code")
    mm.start_data = _address(fields, "start_data")
    mm.end_data = _address(fields, "end_data")
    mm.start_stack = _address(fields, "start_stack")
    mm.arg_start = _address(fields, "arg_start")
    mm.arg_end = _address(fields, "arg_end")
    mm.env_start = _address(fields, "env_start")
    mm.env_end = _address(fields, "env_end")
    mm.start_brk = _address(fields, "start_brk")
    mm.brk = _address(fields, "brk") or mm.start_brk
    code = [line for line in lines if line.perms[2] == "x" and line.inode != 0]
    if mm.end_code == 0 and code:
        # Where nothing tells: the code of the program, which exec maps lowest.
        mm.start_code, mm.end_code = code[0].start, code[0].end
    for line in lines:
        if line.name == "[heap]" and mm.start_brk == 0:
            mm.start_brk = mm.brk = line.start
        if line.name == "[heap]":
            mm.brk = max(mm.brk, line.end)
        if line.name == "[stack]" and mm.start_stack == 0:
            mm.start_stack = line.end - 1
    base = _address(fields, "mmap_base")
    if base:
        mm.mmap_base = base
    elif randomized and mm.topdown:
        highest = mm.mmap_base
        ends = [line.end for line in lines if highest - MMAP_RANDOM <= line.end <= highest]
        mm.mmap_base = max(ends, default=highest)
    elif randomized:
        lowest = mm.mmap_base
        starts = [line.start for line in lines if lowest <= line.start <= lowest + MMAP_RANDOM]
        mm.mmap_base = mm.mmap_legacy_base = min(starts, default=lowest)


def _address(fields: Mapping[str, int], name: str) -> int:
    """Return an address of meta.json, 0 when there is none or it cannot be one."""
    value = fields.get(name, 0)
    return value if value < TASK_SIZE_5LEVEL else 0
