# SPDX-License-Identifier: GPL-2.0-or-later
"""The operations of the VMA core that a `call` line can name, run on a bench.

Each does what the kernel's callers do around it: finds the neighbours, takes over the new property,
counts pages.  The answer is text: "0", a page, a range of pages, "none", or "-ENOMEM".
"""

from collections.abc import Callable
from typing import Final

from vmalab.linux.include.mm_flags import VM_ACCOUNT, VM_DATA_DEFAULT_FLAGS
from vmalab.linux.include.page import PAGE_SHIFT, TASK_SIZE_MAX
from vmalab.linux.include.uapi import errno
from vmalab.linux.mm.vma.anon_vma import anon_vma_prepare
from vmalab.linux.mm.vma.brk import do_brk_flags
from vmalab.linux.mm.vma.copy import copy_vma
from vmalab.linux.mm.vma.link import insert_vm_struct, install_special_mapping
from vmalab.linux.mm.vma.locks import mm_drop_all_locks, mm_take_all_locks
from vmalab.linux.mm.vma.merge import (
    vma_expand,
    vma_merge_existing_range,
    vma_merge_extend,
    vma_merge_new_range,
    vmg_vma_state,
)
from vmalab.linux.mm.vma.mmap_region import mmap_region
from vmalab.linux.mm.vma.modify import (
    vma_modify_flags,
    vma_modify_flags_uffd,
    vma_modify_name,
    vma_modify_policy,
)
from vmalab.linux.mm.vma.munmap import do_vmi_munmap
from vmalab.linux.mm.vma.split import split_vma, vma_shrink
from vmalab.linux.mm.vma.stack import expand_downwards, expand_upwards
from vmalab.linux.mm.vma.state import VMA_MERGE_ERROR_NOMEM, UnmappedAreaInfo, Vmg
from vmalab.linux.mm.vma.unmapped_area import vm_unmapped_area
from vmalab.linux.mm.vma_exec import create_init_stack_vma, relocate_vma_down
from vmalab.linux.mm.vma_init import vm_area_free
from vmalab.linux.types.mm_types import UserfaultfdCtx, Vma
from vmalab.linux.types.vma_iterator import Vmi, vma_lookup
from vmalab.testing.cases.case import CaseCall
from vmalab.testing.cases.kinds import Kind
from vmalab.testing.cases.named_calls import SYSCALLS
from vmalab.testing.cases.owners import pages_of
from vmalab.testing.cases.workbench import Bench
from vmalab.testing.seams.checking import VmaBug

Operation = Callable[[Bench, CaseCall], str]

ERRNO_NAMES: Final = {
    value: name for name, value in vars(errno).items() if name[0] == "E" and isinstance(value, int)
}


class WrongCall(ValueError):
    """The call does not fit the layout that it meets: the case's fault."""


def answer(result: int) -> str:
    """Return a result as text: "0" or the name of the errno."""
    return "0" if result == 0 else f"-{ERRNO_NAMES.get(-int(result), str(-int(result)))}"


def vma_at(bench: Bench, page: int) -> Vma:
    """Return the VMA that contains a page.  WrongCall when there is none."""
    vma = vma_lookup(bench.mm, page << PAGE_SHIFT)
    if vma is None:
        raise WrongCall(f"no VMA contains page {page:x}")
    return vma


def pages(vma: Vma) -> int:
    """Return the length of a VMA in pages."""
    return int((vma.vm_end - vma.vm_start) >> PAGE_SHIFT)


def new_range(bench: Bench, call: CaseCall) -> Vmg:
    """Return a proposal for a range in which nothing is mapped, with its neighbours."""
    kind = bench.kind(call.letter)
    start, end = call.start << PAGE_SHIFT, call.end << PAGE_SHIFT
    vmi = Vmi(bench.mm, end)
    pgoff = bench.pgoff(call.letter, call.start)
    vmg = Vmg(bench.mm, vmi, start, end, kind.flags, pgoff)
    vmg.next = vmi.find(TASK_SIZE_MAX)
    vmg.prev = vmi.prev()
    if vmg.prev is not None and vmg.prev.vm_end > start:
        raise WrongCall(f"something is mapped in {call.start:x}-{call.end:x}")
    vmg.file = bench.file(kind.file)
    vmg.policy = bench.policy(kind.policy)
    vmg.uffd_ctx = bench.context(kind.uffd)
    vmg.anon_name = kind.name or None
    return vmg


def run_merge_new_range(bench: Bench, call: CaseCall) -> str:
    """vma_merge_new_range(): only the merge, no VMA is made when there is none."""
    vmg = new_range(bench, call)
    vmg.just_expand = "just_expand" in call.words
    merged = vma_merge_new_range(vmg)
    bench.seam.mpol_put(vmg.policy)
    if merged is None:
        return "-ENOMEM" if vmg.state == VMA_MERGE_ERROR_NOMEM else "none"
    bench.account(bench.kind(call.letter).flags, call.end - call.start)
    return pages_of(merged)


def run_mmap_region(bench: Bench, call: CaseCall) -> str:
    """mmap_region(), with the flags that do_mmap() has decided: accounting is the core's."""
    kind = bench.kind(call.letter)
    bench.mapping = kind
    told: list[object] = []
    result = mmap_region(
        bench.mm,
        bench.file(kind.file),
        call.start << PAGE_SHIFT,
        (call.end - call.start) << PAGE_SHIFT,
        kind.flags & ~VM_ACCOUNT,
        bench.pgoff(call.letter, call.start),
        told,
    )
    note_told(bench, told)
    return answer(result) if result < 0 else f"{result >> PAGE_SHIFT:x}"


def note_told(bench: Bench, told: list[object]) -> None:
    """Log the userfaultfd contexts that hear of an unmapping."""
    for context in told:
        if isinstance(context, UserfaultfdCtx):
            bench.log.append(f"unmap {bench.name_of_context(context)}")


def run_munmap(bench: Bench, call: CaseCall) -> str:
    """do_vmi_munmap()."""
    told: list[object] = []
    start, length = call.start << PAGE_SHIFT, (call.end - call.start) << PAGE_SHIFT
    result = do_vmi_munmap(Vmi(bench.mm, start), bench.mm, start, length, told)
    note_told(bench, told)
    return answer(result)


def existing_range(bench: Bench, call: CaseCall) -> tuple[Vmi, Vma | None, Vma]:
    """Return the iterator on the VMA of a range, the VMA before it, and the VMA."""
    vma = vma_at(bench, call.start)
    if vma.vm_end < call.end << PAGE_SHIFT:
        raise WrongCall(f"{call.start:x}-{call.end:x} leaves the VMA {pages_of(vma)}")
    vmi = Vmi(bench.mm, call.start << PAGE_SHIFT)
    vmi.load()
    prev = vmi.prev()
    vmi.set(call.start << PAGE_SHIFT)
    vmi.load()
    return vmi, vma if call.start << PAGE_SHIFT > vma.vm_start else prev, vma


def check_stands(bench: Bench, call: CaseCall, vmi: Vmi) -> None:
    """Raise when the iterator is not where the caller of a failed change goes on: on its VMA."""
    vma = vma_lookup(bench.mm, call.start << PAGE_SHIFT)
    if vma is not None and not vma.vm_start <= vmi.addr() < vma.vm_end:
        raise VmaBug("after a failed change the iterator does not stand on the VMA")


def settle_modified(bench: Bench, call: CaseCall, vmg: Vmg, old_flags: int) -> str:
    """Give the VMA that covers a modified range its new properties, as the callers do."""
    vma = vmg.result
    if vmg.error or vma is None:
        check_stands(bench, call, vmg.vmi)
        return answer(vmg.error)
    flags, length = int(vmg.vm_flags), call.end - call.start
    bench.seam.vma_start_write(vma)
    vma.vm_flags = flags
    bench.account(old_flags, -length)
    bench.account(flags, length)
    vma.anon_name = vmg.anon_name
    vma.vm_userfaultfd_ctx = vmg.uffd_ctx
    if not bench.seam.mpol_equal(vma.vm_policy, vmg.policy):
        bench.seam.mpol_put(vma.vm_policy)
        vma.vm_policy = bench.policy(bench.kind(call.letter).policy)
    return pages_of(vma)


def run_modify(bench: Bench, call: CaseCall) -> str:
    """vma_modify_flags() and its siblings, for a range within one VMA."""
    vmi, prev, vma = existing_range(bench, call)
    kind = bench.kind(call.letter)
    start, end = call.start << PAGE_SHIFT, call.end << PAGE_SHIFT
    old_flags = int(vma.vm_flags)
    if call.name == "vma_modify_flags":
        vmg = vma_modify_flags(vmi, prev, vma, start, end, kind.flags)
    elif call.name == "vma_modify_name":
        vmg = vma_modify_name(vmi, prev, vma, start, end, kind.name or None)
    elif call.name == "vma_modify_flags_uffd":
        give_up, context = "give_up_on_oom" in call.words, bench.context(kind.uffd)
        vmg = vma_modify_flags_uffd(vmi, prev, vma, start, end, kind.flags, context, give_up)
    else:
        policy = bench.policy(kind.policy)
        vmg = vma_modify_policy(vmi, prev, vma, start, end, policy)
        result = settle_modified(bench, call, vmg, old_flags)
        bench.seam.mpol_put(policy)
        return result
    return settle_modified(bench, call, vmg, old_flags)


def run_merge_existing_range(bench: Bench, call: CaseCall) -> str:
    """vma_merge_existing_range(): only the merge, nothing is split when there is none."""
    vmi, prev, vma = existing_range(bench, call)
    kind = bench.kind(call.letter)
    old_flags = int(vma.vm_flags)
    vmg = vmg_vma_state(vmi, prev, vma, call.start << PAGE_SHIFT, call.end << PAGE_SHIFT)
    vmg.vm_flags = kind.flags
    vmg.anon_name, vmg.uffd_ctx = kind.name or None, bench.context(kind.uffd)
    vmg.give_up_on_oom = "give_up_on_oom" in call.words
    vmg.result = vma_merge_existing_range(vmg)
    if vmg.result is None:
        return "-ENOMEM" if vmg.state == VMA_MERGE_ERROR_NOMEM else "none"
    vmg.vm_flags = vmg.result.vm_flags
    return settle_modified(bench, call, vmg, old_flags)


def run_merge_extend(bench: Bench, call: CaseCall) -> str:
    """vma_merge_extend(), which mremap() grows a VMA in place with."""
    vma = vma_at(bench, call.vma)
    flags, delta = int(vma.vm_flags), (call.page << PAGE_SHIFT) - vma.vm_end
    vmi = Vmi(bench.mm, vma.vm_start)
    vmi.load()
    merged = vma_merge_extend(vmi, vma, delta)
    if merged is None:
        return "none"
    bench.account(flags, int(delta >> PAGE_SHIFT))
    return pages_of(merged)


def run_expand(bench: Bench, call: CaseCall) -> str:
    """vma_expand(), swallowing the next VMA when the range covers it."""
    vma = vma_at(bench, call.vma)
    start, end = call.start << PAGE_SHIFT, call.end << PAGE_SHIFT
    before = sum(pages(one) for one in bench.vmas())
    vmi = Vmi(bench.mm, vma.vm_end)
    vmg = Vmg(
        bench.mm,
        vmi,
        start,
        end,
        vma.vm_flags,
        vma.vm_pgoff - ((vma.vm_start - start) >> PAGE_SHIFT),
    )
    vmg.next = vmi.find(TASK_SIZE_MAX)
    vmi.set(start)
    vmg.target = vma
    result = vma_expand(vmg)
    bench.account(int(vma.vm_flags), sum(pages(one) for one in bench.vmas()) - before)
    return answer(result)


def run_shrink(bench: Bench, call: CaseCall) -> str:
    """vma_shrink()."""
    vma = vma_at(bench, call.vma)
    vmi = Vmi(bench.mm, vma.vm_start)
    vmi.load()
    before = pages(vma)
    result = vma_shrink(vmi, vma, call.page << PAGE_SHIFT)
    if result == 0:
        bench.mm.page_tables.zap(vma.vm_end, vma.vm_start + (before << PAGE_SHIFT))
    bench.account(int(vma.vm_flags), pages(vma) - before)
    return answer(result)


def run_split(bench: Bench, call: CaseCall) -> str:
    """split_vma()."""
    vma = vma_at(bench, call.page)
    vmi = Vmi(bench.mm, vma.vm_start)
    vmi.load()
    result = split_vma(vmi, vma, call.page << PAGE_SHIFT, "below" in call.words)
    if result == 0 and not vma.vm_start <= vmi.addr() < vma.vm_end:
        raise VmaBug("after a split the iterator does not stand on the VMA that was there")
    return answer(result)


def run_brk(bench: Bench, call: CaseCall) -> str:
    """do_brk_flags(); `fresh` is the first growth, which is given no VMA to grow."""
    vmi = Vmi(bench.mm, call.start << PAGE_SHIFT)
    vmi.load()
    vma = None if "fresh" in call.words else vmi.prev()
    extra = bench.kind(call.letter).flags & ~(VM_DATA_DEFAULT_FLAGS | VM_ACCOUNT)
    start, length = call.start << PAGE_SHIFT, (call.end - call.start) << PAGE_SHIFT
    return answer(do_brk_flags(bench.mm, vmi, vma, start, length, extra))


def run_copy(bench: Bench, call: CaseCall) -> str:
    """copy_vma(), the first half of a move: the source is still there afterwards."""
    vma = vma_at(bench, call.start)
    flags, length = int(vma.vm_flags), call.end - call.start
    pgoff = vma.vm_pgoff + call.start - (vma.vm_start >> PAGE_SHIFT)
    keep = "keep_source" in call.words
    outcome = copy_vma(vma, call.page << PAGE_SHIFT, length << PAGE_SHIFT, pgoff, keep)
    copied = outcome.new_vma
    if copied is None:
        return "-ENOMEM"
    if (
        not outcome.vma.attached
        or not outcome.vma.vm_start <= call.start << PAGE_SHIFT < outcome.vma.vm_end
    ):
        raise VmaBug("copy_vma answers a source that does not hold what was copied")
    bench.account(flags, length)
    return pages_of(copied)


def run_unmapped_area(bench: Bench, call: CaseCall) -> str:
    """vm_unmapped_area(); alignment, its offset and the gap below are in pages."""
    info = UnmappedAreaInfo(
        call.count << PAGE_SHIFT, call.start << PAGE_SHIFT, call.end << PAGE_SHIFT
    )
    info.topdown = "highest" in call.words
    info.align_mask = (call.words.get("align", 1) - 1) << PAGE_SHIFT
    info.align_offset = call.words.get("offset", 0) << PAGE_SHIFT
    info.start_gap = call.words.get("gap", 0) << PAGE_SHIFT
    result = vm_unmapped_area(bench.mm, info)
    return answer(result) if result < 0 else f"{result >> PAGE_SHIFT:x}"


def run_insert(bench: Bench, call: CaseCall) -> str:
    """insert_vm_struct() of a new VMA."""
    kind = bench.kind(call.letter)
    vma = bench.new_vma(call.start, call.end, kind, bench.pgoff(call.letter, call.start))
    result = insert_vm_struct(bench.mm, vma)
    if result == 0:
        bench.account(kind.flags & ~VM_ACCOUNT, call.end - call.start)
        return answer(result)
    if vma.vm_file is not None:
        bench.seam.fput(vma.vm_file)
    bench.seam.mpol_put(vma.vm_policy)
    vm_area_free(vma)
    return answer(result)


def run_install_special_mapping(bench: Bench, call: CaseCall) -> str:
    """install_special_mapping() with the operations of the kind."""
    kind = bench.kind(call.letter)
    ops = bench.ops(Kind(0, hooks=kind.hooks, ops=True))
    if ops is None:
        raise WrongCall("a special mapping has operations")
    start, length = call.start << PAGE_SHIFT, (call.end - call.start) << PAGE_SHIFT
    vma = install_special_mapping(bench.mm, start, length, kind.flags, ops, None)
    return "-ENOMEM" if vma is None else pages_of(vma)


def run_take_all_locks(bench: Bench, call: CaseCall) -> str:
    """mm_take_all_locks(); then every lock must be held, and after dropping them none."""
    result = mm_take_all_locks(bench.mm)
    held = [link.anon_vma.root.locked for vma in bench.vmas() for link in vma.anon_vma_chain]
    held += [
        vma.vm_file.inode.i_mapping.i_mmap_locked for vma in bench.vmas() if vma.vm_file is not None
    ]
    if (not all(held)) if result == 0 else any(held):
        raise VmaBug("the locks that are held are not those that the result implies")
    if result == 0:
        mm_drop_all_locks(bench.mm)
    return answer(result)


def run_create_init_stack(bench: Bench, call: CaseCall) -> str:
    """create_init_stack_vma()."""
    vma = create_init_stack_vma(bench.mm)
    return "-ENOMEM" if vma is None else pages_of(vma)


def run_relocate(bench: Bench, call: CaseCall) -> str:
    """relocate_vma_down() to begin at a page."""
    vma = vma_at(bench, call.vma)
    return answer(relocate_vma_down(vma, vma.vm_start - (call.page << PAGE_SHIFT)))


def run_expand_downwards(bench: Bench, call: CaseCall) -> str:
    """expand_downwards() to an address in a page."""
    vma = vma_at(bench, call.vma)
    return answer(expand_downwards(vma, (call.page << PAGE_SHIFT) + 0x123))


def run_expand_upwards(bench: Bench, call: CaseCall) -> str:
    """expand_upwards() to an address in the page before the one named: it is the new end."""
    vma = vma_at(bench, call.vma)
    return answer(expand_upwards(vma, (call.page << PAGE_SHIFT) - 0x123))


def run_anon_vma_prepare(bench: Bench, call: CaseCall) -> str:
    """anon_vma_prepare(), the first write to a VMA."""
    return answer(anon_vma_prepare(vma_at(bench, call.vma)))


def run_syscall(bench: Bench, call: CaseCall) -> str:
    """Return a system call: an address as a page, else the result."""
    result = SYSCALLS[call.name](bench, call)
    return answer(result) if result <= 0 else f"{result >> PAGE_SHIFT:x}"


OPERATIONS: Final[dict[str, Operation]] = {
    **dict.fromkeys(SYSCALLS, run_syscall),
    "mmap_region": run_mmap_region,
    "vma_merge_new_range": run_merge_new_range,
    "vma_merge_existing_range": run_merge_existing_range,
    "vma_modify_flags": run_modify,
    "vma_modify_name": run_modify,
    "vma_modify_policy": run_modify,
    "vma_modify_flags_uffd": run_modify,
    "vma_merge_extend": run_merge_extend,
    "vma_expand": run_expand,
    "vma_shrink": run_shrink,
    "split_vma": run_split,
    "do_vmi_munmap": run_munmap,
    "do_brk_flags": run_brk,
    "copy_vma": run_copy,
    "vm_unmapped_area": run_unmapped_area,
    "expand_downwards": run_expand_downwards,
    "expand_upwards": run_expand_upwards,
    "relocate_vma_down": run_relocate,
    "create_init_stack_vma": run_create_init_stack,
    "insert_vm_struct": run_insert,
    "install_special_mapping": run_install_special_mapping,
    "anon_vma_prepare": run_anon_vma_prepare,
    "mm_take_all_locks": run_take_all_locks,
}
