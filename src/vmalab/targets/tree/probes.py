# SPDX-License-Identifier: GPL-2.0-or-later
"""What a tree's headers have, found out by compiling: never by the version's number.

All probes are one file, each on lines of its own name; the compiler's errors tell which fail.
"""

import re
from pathlib import Path
from typing import Final

from vmalab.targets.tree.objects import TreeObjects
from vmalab.targets.tree.unit import compile_for_errors

# Name of the macro -> declarations that compile only where it is so.
PROBES: Final = {
    "HAS_VM_FLAGS_INIT": "void p1(struct vm_area_struct *v) { vm_flags_init(v, 0); }",
    "HAS_MM_FLAGS": "void p2(struct mm_struct *m) { mm_flags_set(0, m); }",
    "HAS_DUP_MMAP": "typeof(dup_mmap) *p3 = dup_mmap;",
    "HAS_FILE_REF": "void p4(struct file *f) { file_ref_init(&f->f_ref, 1); }",
    "HAS_MMAP_PREPARE": (
        "int p5f(struct vm_area_desc *); struct file_operations p5 = { .mmap_prepare = p5f };"
        " void p5g(struct vm_area_desc *d) { d->vm_file = 0; }"
    ),
    "HAS_MMAP_ACTION": (
        "void pw(struct vm_area_desc *d) { d->action.hide_from_rmap_until_complete = 0; }"
    ),
    "HAS_MAPPED": (
        "int q1(unsigned long s, unsigned long e, pgoff_t p, const struct file *f, void **d);"
        " struct vm_operations_struct q2 = { .mapped = q1 };"
    ),
    "HAS_SEAL_CHECK_FUTURE": (
        "int p6(struct vm_area_struct *v) { return seal_check_future_write(0, v); }"
    ),
    "HAS_SEAL_CHECK": "int p7(struct vm_area_struct *v) { return seal_check_write(0, v); }",
    "HAS_CONST_VMA": "bool vma_is_shmem(const struct vm_area_struct *vma);",
    "HAS_UFFD_OPS": "struct vm_operations_struct p8 = { .uffd_ops = 0 };",
    "HAS_SHMEM_AOPS": (
        "bool pg(struct address_space *a) { return shmem_mapping(a) && a->a_ops == &shmem_aops; }"
    ),
    "HAS_MM_GET_UNMAPPED": "typeof(mm_get_unmapped_area) *p9 = mm_get_unmapped_area;",
    "MM_GET_UNMAPPED_TAKES_MM": (
        "unsigned long pa(struct mm_struct *m)"
        " { return mm_get_unmapped_area(m, (struct file *)0, 0, 0, 0, 0); }"
    ),
    "HAS_FAULTIN_MM": (
        "typeof(faultin_page_range) *pi = faultin_page_range;"
        "long faultin_page_range(struct mm_struct *mm, unsigned long a, unsigned long b, bool w,"
        " int *l);"
    ),
    "HAS_FAULTIN_VMA": "typeof(faultin_vma_page_range) *ph = faultin_vma_page_range;",
    "HAS_EXPAND_STACK_LOCKED": "typeof(expand_stack_locked) *pb = expand_stack_locked;",
    "EXPAND_STACK_TAKES_LOCKED": (
        "int pc(struct vm_area_struct *v) { return expand_stack_locked(v, 0, true); }"
    ),
    "HAS_UNMAP_DESC": (
        "void free_pgtables(struct mmu_gather *tlb, struct unmap_desc *desc);"
        " typeof(((struct unmap_desc *)0)->first) pd;"
    ),
    "HAS_FREE_PGTABLES_MAS": (
        "void free_pgtables(struct mmu_gather *tlb, struct ma_state *mas, struct vm_area_struct *v,"
        " unsigned long f, unsigned long c, bool w);"
    ),
    "HAS_UNLINK_BATCH": "struct unlink_vma_file_batch pf;",
    "HAS_FLAGS_STRUCT": "void pj(void) { vma_flags_t flags = legacy_to_vma_flags(0); }",
    "MMAP_REGION_TAKES_STRUCT": (
        "vma_flags_t pk(void); void pl(void) { mmap_region(0, 0, 0, pk(), 0, 0); }"
    ),
    "HAS_BRK_FLAGS": "typeof(do_brk_flags) *pm = do_brk_flags;",
    "BRK_TAKES_STRUCT": "vma_flags_t pn(void); void po(void) { do_brk_flags(0, 0, 0, 0, pn()); }",
    "MODIFY_TAKES_POINTER": (
        "void pp(vma_flags_t *flags) { vma_modify_flags(0, 0, 0, 0, 0, flags); }"
    ),
    "CLONE_TAKES_OPERATION": (
        "void pq(struct vm_area_struct *v) { anon_vma_clone(v, v, VMA_OP_SPLIT); }"
    ),
    "HAS_VMG": "struct vma_merge_struct pr;",
    "VMG_HAS_VM_FLAGS": "struct vma_merge_struct ps = { .vm_flags = 0 };",
    "VMG_HAS_ANON_PGOFF": "struct vma_merge_struct pt = { .anon_pgoff = 0 };",
    "VMG_HAS_MIDDLE": "struct vma_merge_struct pu = { .middle = 0 };",
    "COPY_KEEPS_SOURCE": (
        "struct vm_area_struct *copy_vma(struct vm_area_struct **v, unsigned long a,"
        " unsigned long l, pgoff_t p, bool *n, bool k);"
    ),
    "SHRINK_TAKES_END": (
        "int vma_shrink(struct vma_iterator *i, struct vm_area_struct *v, unsigned long e);"
    ),
    "HAS_MAPPING_RMAP": "typeof(mapping_rmap_tree_insert) *px = mapping_rmap_tree_insert;",
    "HAS_MODIFY_NAME": "typeof(vma_modify_name) *py = vma_modify_name;",
    "HAS_START_GAP": "struct vm_unmapped_area_info pv = { .start_gap = 0 };",
    "HAS_CACHE_ARGS": "struct kmem_cache_args pe;",
}
_MARK: Final = re.compile(r"^probe-(\w+):\d+:.*\berror:", re.M)


def probe(objects: TreeObjects, header: str, folder: Path) -> dict[str, bool]:
    """Return what the tree has, by the names of `PROBES`. Errors: BuildError."""
    lines = [header]
    for name, text in PROBES.items():
        lines += [f'#line 1 "probe-{name}"', text]
    source = folder / "probes.c"
    source.write_text("\n".join(lines) + "\n", "utf-8")
    output = compile_for_errors(objects, source)
    failed = set(_MARK.findall(output))
    return {name: name not in failed for name in PROBES}


def probed_header(found: dict[str, bool]) -> str:
    """Return probed.h: a macro for each thing that the tree has."""
    return "".join(f"#define VMALAB_{name} 1\n" for name, there in found.items() if there)
