# SPDX-License-Identifier: GPL-2.0-or-later
"""What /proc/PID/numa_maps says of each VMA: its policy, its file, its pages by node.

Mirrors show_numa_map() of fs/proc/task_mmu.c and mpol_to_str() of mm/mempolicy.c (v6.18).  Which
node has a page is known where there is only one node, who else maps it is not: such numbers are
"?", and so are those that smaps does not know either.
"""

from typing import Final

from mypy_extensions import i64

from vmalab.linux.fs.proc.smaps import (
    UNKNOWN,
    MemSizeStats,
    smap_gather_stats,
    vma_kernel_pagesize,
)
from vmalab.linux.fs.proc.task_mmu import mm_vmas, vma_is_initial_heap, vma_is_initial_stack
from vmalab.linux.include.mm_flags import VM_HUGETLB
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.uapi.mempolicy import (
    MPOL_DEFAULT,
    MPOL_F_NUMA_BALANCING,
    MPOL_F_RELATIVE_NODES,
    MPOL_F_STATIC_NODES,
    MPOL_LOCAL,
    MPOL_MODE_FLAGS,
)
from vmalab.linux.types.mm_types import Mempolicy, Mm, Vma

# The names of policies, by number.
POLICY_MODES: Final = (
    "default",
    "prefer",
    "bind",
    "interleave",
    "local",
    "prefer (many)",
    "weighted interleave",
)


def node_list(nodes: int) -> str:
    """Return the nodes of a bit mask as ranges, such as "0-1,3"."""
    ranges: list[str] = []
    node = 0
    while nodes >> node != 0:
        first = node
        while nodes >> node & 1 != 0:
            node += 1
        if node > first:
            ranges.append(str(first) if node == first + 1 else f"{first}-{node - 1}")
        node += 1
    return ",".join(ranges)


def mpol_to_str(policy: Mempolicy | None) -> str:
    """Return a policy as numa_maps prints it; None is the default one."""
    if policy is None:
        return POLICY_MODES[MPOL_DEFAULT]
    text = POLICY_MODES[policy.mode]
    flags = policy.flags & MPOL_MODE_FLAGS
    if flags != 0:
        text += "="
        if flags & MPOL_F_STATIC_NODES != 0:
            text += "static"
        elif flags & MPOL_F_RELATIVE_NODES != 0:
            text += "relative"
        if flags & MPOL_F_NUMA_BALANCING != 0:
            text += "|balancing" if flags != MPOL_F_NUMA_BALANCING else "balancing"
    if policy.nodes != 0 and policy.mode not in (MPOL_DEFAULT, MPOL_LOCAL):
        text += ":" + node_list(policy.nodes)
    return text


def show_numa_map(vma: Vma, task_policy: Mempolicy | None) -> str:
    """Return the line of a VMA; `task_policy` is that of the process.  Kernel: show_numa_map()."""
    policy = task_policy if vma.vm_policy is None else vma.vm_policy
    shown = mpol_to_str(policy)
    line = f"{vma.vm_start:08x} {shown}"
    file = vma.vm_file
    if file is not None:
        line += " file=" + escaped(file.path)
    elif vma_is_initial_heap(vma):
        line += " heap"
    elif vma_is_initial_stack(vma):
        line += " stack"
    if vma.vm_flags & VM_HUGETLB != 0:
        line += " huge"
    return line + pages_shown(vma, smap_gather_stats(vma))


def escaped(path: str) -> str:
    """Return a path with what would break the line apart as octal numbers."""
    text = path
    for letter in ("\n", "\t", "=", " "):
        text = text.replace(letter, f"\\{ord(letter):03o}")
    return text


def pages_shown(vma: Vma, mss: MemSizeStats) -> str:
    """Return the counts of pages, "" without any.

    Which are active, and on which of several nodes: "?".
    """
    if vma.vm_flags & VM_HUGETLB != 0 or mss.resident == UNKNOWN:
        return " pages=?"
    pages = mss.resident >> PAGE_SHIFT
    if pages == 0:
        return ""
    text = ""
    if mss.anonymous != 0:
        text += f" anon={mss.anonymous >> PAGE_SHIFT}"
    dirty: i64 = mss.anonymous if mss.resident == mss.anonymous else UNKNOWN
    text += " dirty=?" if dirty == UNKNOWN else f" dirty={dirty >> PAGE_SHIFT}"
    if mss.resident != mss.anonymous:
        text += f" mapped={pages} mapmax=?"
    elif vma.vm_mm.page_tables.shared:
        text += " mapmax=?"
    text += " active=?"
    text += f" N0={pages}" if vma.vm_mm.config.numa_nodes == 1 else " N?=?"
    return f"{text} kernelpagesize_kB={vma_kernel_pagesize(vma) >> 10}"


def numa_maps_lines(mm: Mm, task_policy: Mempolicy | None) -> list[str]:
    """Return the lines of /proc/PID/numa_maps."""
    lines: list[str] = []
    for vma in mm_vmas(mm):
        lines.append(show_numa_map(vma, task_policy))
    return lines
