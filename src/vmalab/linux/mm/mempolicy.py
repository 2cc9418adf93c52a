# SPDX-License-Identifier: GPL-2.0-or-later
"""NUMA policies of ranges and of tasks: mbind, set_mempolicy and their kin.

Mirrors mm/mempolicy.c (v6.18).  Policies are compared and merged by; where pages really lie is not
modelled, all are taken to be on node 0.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE, ULONG_MAX, page_align_ulong
from vmalab.linux.include.uapi.capability import CAP_SYS_NICE
from vmalab.linux.include.uapi.errno import (
    EFAULT,
    EINVAL,
    EIO,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSYS,
    EOPNOTSUPP,
    EPERM,
    ESRCH,
)
from vmalab.linux.include.uapi.mempolicy import (
    MPOL_BIND,
    MPOL_DEFAULT,
    MPOL_F_ADDR,
    MPOL_F_MEMS_ALLOWED,
    MPOL_F_MOF,
    MPOL_F_MORON,
    MPOL_F_NODE,
    MPOL_F_NUMA_BALANCING,
    MPOL_F_RELATIVE_NODES,
    MPOL_F_STATIC_NODES,
    MPOL_INTERLEAVE,
    MPOL_LOCAL,
    MPOL_MAX,
    MPOL_MF_MOVE,
    MPOL_MF_MOVE_ALL,
    MPOL_MF_STRICT,
    MPOL_MF_VALID,
    MPOL_MODE_FLAGS,
    MPOL_PREFERRED,
    MPOL_PREFERRED_MANY,
    MPOL_WEIGHTED_INTERLEAVE,
)
from vmalab.linux.mm.page_tables import PTE_ANON, PTE_FILE
from vmalab.linux.mm.vma.modify import vma_modify_policy
from vmalab.linux.types.mm_types import Mempolicy, Mm, Vma
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import Vmi, find_vma, vma_lookup

# The most nodes a kernel of a distribution can have (CONFIG_NODES_SHIFT 10).
MAX_NUMNODES: Final = 1024
# The most bits of a mask that a caller may pass.
MAX_MASK_BITS: Final = 4096 * 8
# Stands for a mask that cannot be read.
UNREADABLE: Final = "unreadable"
NUMA_NO_NODE: Final = -1


@final
@mypyc_attr(native_class=True)
class PolicyRequest:
    """A policy as a caller asks for it: an errno, or mode, flags and node mask."""

    def __init__(self, error: int, mode: int, flags: int, nodes: int) -> None:
        self.error: int = error
        self.mode: int = mode
        self.flags: int = flags
        self.nodes: int = nodes


def refused(mm: Mm | None, errno: i64, argument: str, why: str) -> PolicyRequest:
    """Return a request that is against the rules, noted as such."""
    if mm is not None:
        mm.refusal.blame(errno, argument, why)
    return PolicyRequest(-errno, 0, 0, 0)


def read_request(mm: Mm | None, mode: int, nmask: object, maxnode: int) -> PolicyRequest:
    """Take mode, flags and node mask apart; error EINVAL or EFAULT.

    `nmask` is the list of words that the caller's mask holds, or None for a null pointer.
    Kernel: sanitize_mpol_flags(), get_nodes().
    """
    mode &= 0xFFFFFFFF
    flags = mode & MPOL_MODE_FLAGS
    mode &= ~MPOL_MODE_FLAGS
    if mode >= policies(mm) or (flags & MPOL_F_NUMA_BALANCING != 0 and lacks_balancing(mm)):
        return refused(mm, EINVAL, "mode", "unknown policy")
    if flags & MPOL_F_STATIC_NODES != 0 and flags & MPOL_F_RELATIVE_NODES != 0:
        return refused(
            mm, EINVAL, "mode", "MPOL_F_STATIC_NODES together with MPOL_F_RELATIVE_NODES"
        )
    if flags & MPOL_F_NUMA_BALANCING != 0:
        many = mm is None or mm.features.balancing_prefers_many
        if mode != MPOL_BIND and not (many and mode == MPOL_PREFERRED_MANY):
            return refused(
                mm, EINVAL, "mode", "MPOL_F_NUMA_BALANCING without MPOL_BIND or MPOL_PREFERRED_MANY"
            )
        flags |= MPOL_F_MOF | MPOL_F_MORON
    bits = maxnode - 1 & ULONG_MAX
    if bits == 0 or nmask is None:
        return PolicyRequest(0, mode, flags, 0)
    if bits > MAX_MASK_BITS:
        return refused(mm, EINVAL, "maxnode", "more nodes than fit in a page")
    if nmask == UNREADABLE:
        return refused(mm, EFAULT, "nodemask", "cannot be read")
    nodes = 0
    if isinstance(nmask, list):
        for index, word in enumerate(nmask):
            if isinstance(word, int):
                nodes |= word << 64 * index
    nodes &= (1 << bits) - 1
    if nodes >> MAX_NUMNODES != 0:
        return refused(mm, EINVAL, "nodemask", "nodes beyond those that the kernel can have")
    return PolicyRequest(0, mode, flags, nodes)


def policies(mm: Mm | None) -> int:
    """Return the number of policies that a kernel has."""
    if mm is None or mm.features.weighted_interleave:
        return MPOL_MAX
    return MPOL_WEIGHTED_INTERLEAVE if mm.features.preferred_many else MPOL_PREFERRED_MANY


def lacks_balancing(mm: Mm | None) -> bool:
    """Tell whether a kernel has no MPOL_F_NUMA_BALANCING."""
    return mm is not None and not mm.features.numa_balancing_policy


def relative_nodes(nodes: int, allowed: int) -> int:
    """Return node numbers taken as positions among the allowed nodes, wrapping around."""
    present = [node for node in range(MAX_NUMNODES) if allowed >> node & 1 != 0]
    result = 0
    for node in range(MAX_NUMNODES):
        if nodes >> node & 1 != 0:
            result |= 1 << present[node % len(present)]
    return result


def mpol_new(mm: Mm, request: PolicyRequest) -> Mempolicy | None:
    """Return the policy asked for, None for the default; `request.error` tells EINVAL or ENOMEM.

    Kernel: mpol_new(), mpol_set_nodemask().
    """
    mode, flags, nodes = request.mode, request.flags, request.nodes
    placed = flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES) != 0
    if mode == MPOL_PREFERRED and nodes == 0 and not placed:
        mode = MPOL_LOCAL
    local = mode == MPOL_LOCAL
    if mode == MPOL_DEFAULT or local:
        if nodes != 0 or (local and placed):
            request.error = mm.refusal.blame(
                EINVAL, "nodemask", "nodes for a policy that takes none"
            )
            return None
        if not local:
            return None
    elif nodes == 0:
        request.error = mm.refusal.blame(
            EINVAL, "nodemask", "no nodes for a policy that takes some"
        )
        return None
    allowed = (1 << max(mm.config.numa_nodes, 1)) - 1
    chosen = nodes & allowed
    if flags & MPOL_F_RELATIVE_NODES != 0:
        chosen = relative_nodes(nodes, allowed)
    if not local and chosen == 0:
        request.error = mm.refusal.blame(
            EINVAL, "nodemask", "none of the nodes is one of the machine's"
        )
        return None
    if mode == MPOL_PREFERRED:
        chosen &= -chosen
    if not mm.kernel.mempolicy_cache.alloc():
        request.error = -ENOMEM
        return None
    policy = Mempolicy(mode, flags, chosen, NUMA_NO_NODE)
    policy.user_nodes = nodes if placed else 0
    return policy


def queue_pages_range(mm: Mm, start: i64, end: i64, nodes: int, flags: int, holes: bool) -> i64:
    """Look at the range before a policy is set: 0, EFAULT (a hole) or EIO (misplaced pages).

    Kernel: queue_pages_range().
    """
    vmi = Vmi(mm, start)
    vma = vmi.find(end)
    if vma is None:
        return mm.refusal.blame_at(EFAULT, "addr", "nothing is mapped", start)
    position = start
    while vma is not None:
        if not holes and vma.vm_start > position:
            return mm.refusal.blame_at(EFAULT, "addr", "nothing is mapped", position)
        position = vma.vm_end
        nxt = find_vma(mm, position)
        behind = position < end and (nxt is None or nxt.vm_start > position)
        if not holes and behind:
            return mm.refusal.blame_at(EFAULT, "addr", "nothing is mapped", position)
        strict = flags & (MPOL_MF_STRICT | MPOL_MF_MOVE | MPOL_MF_MOVE_ALL) == MPOL_MF_STRICT
        # Node 0 holds every page; a policy without it has them all in the wrong place.
        if strict and nodes & 1 == 0:
            first, last = max(start, vma.vm_start), min(end, vma.vm_end)
            for _, _, kind in mm.page_tables.ranges(first, last):
                if kind in (PTE_ANON, PTE_FILE):
                    return mm.refusal.blame(
                        EIO, "flags", "MPOL_MF_STRICT, and a page is on another node"
                    )
        vma = vmi.find(end)
    return 0


def mbind_range(
    vmi: Vmi, vma: Vma, prev: Vma | None, start: i64, end: i64, policy: Mempolicy | None
) -> Vma | int:
    """Give the part of a VMA within `[start, end)` a policy: the VMA that covers it, or -errno."""
    seam = vma.vm_mm.seam
    if seam.mpol_equal(vma.vm_policy, policy):
        return vma
    first, last = max(start, vma.vm_start), min(end, vma.vm_end)
    vmg = vma_modify_policy(vmi, vma if start > vma.vm_start else prev, vma, first, last, policy)
    result = vmg.result
    if vmg.error != 0 or result is None:
        return vmg.error
    new: Mempolicy | None = None
    if policy is not None:
        if not vma.vm_mm.kernel.mempolicy_cache.alloc():
            return -ENOMEM
        new = policy.copy()
    seam.mpol_put(result.vm_policy)
    result.vm_policy = new
    return result


def bind_vmas(mm: Mm, start: i64, end: i64, policy: Mempolicy | None) -> int:
    """Give every VMA in `[start, end)` a policy: 0 or the first error; those before it keep it."""
    vmi = Vmi(mm, start)
    vmi.load()
    prev = vmi.prev()
    vmi.set(start)
    vma = vmi.find(end)
    while vma is not None:
        bound = mbind_range(vmi, vma, prev, start, end, policy)
        if isinstance(bound, int):
            return bound
        prev = bound
        vma = vmi.find(end)
    return 0


def ksys_mbind(
    task: Task, start: int, length: int, mode: int, nmask: object, maxnode: int, flags: int
) -> int:
    """mbind(2): 0 or a negative errno.

    Errors: EINVAL (mode, nodes, flags, alignment, wrap-around), EPERM (MPOL_MF_MOVE_ALL), EFAULT
    (a hole; with MPOL_DEFAULT only a range without any VMA), EIO (MPOL_MF_STRICT, misplaced pages),
    ENOMEM (map count, no memory).  Kernel: do_mbind().
    """
    mm = task.mm
    request = read_request(mm, mode, nmask, maxnode)
    flags &= 0xFFFFFFFF
    if request.error != 0 or mm is None:
        return request.error
    if flags & ~MPOL_MF_VALID != 0:
        return mm.refusal.blame(EINVAL, "flags", "unknown flag")
    if flags & MPOL_MF_MOVE_ALL != 0 and not task.capable(CAP_SYS_NICE):
        return mm.refusal.blame(EPERM, "flags", "MPOL_MF_MOVE_ALL needs CAP_SYS_NICE")
    if start & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "addr", "not a multiple of the page size")
    if request.mode == MPOL_DEFAULT:
        flags &= ~MPOL_MF_STRICT
    end = start + page_align_ulong(length)
    if end > ULONG_MAX:
        return mm.refusal.blame(
            EINVAL, "length", "address and length wrap around the end of the address space"
        )
    if end == start:
        return 0
    policy = mpol_new(mm, request)
    if request.error != 0:
        return request.error
    error: int
    if start >= mm.task_size:
        error = mm.refusal.blame(EFAULT, "addr", "beyond the end of the address space")
    else:
        end = min(end, mm.task_size + PAGE_SIZE)
        error = queue_pages_range(mm, start, end, request.nodes, flags, policy is None)
        if error == 0:
            error = bind_vmas(mm, start, end, policy)
    mm.seam.mpol_put(policy)
    return error


def ksys_set_mempolicy(task: Task, mode: int, nmask: object, maxnode: int) -> int:
    """set_mempolicy(2): 0, EINVAL or ENOMEM.  The task's policy decides no merge."""
    mm = task.mm
    request = read_request(mm, mode, nmask, maxnode)
    if request.error != 0 or mm is None:
        return request.error
    policy = mpol_new(mm, request)
    if request.error != 0:
        return request.error
    mm.seam.mpol_put(task.mempolicy)
    task.mempolicy = policy
    return 0


def ksys_get_mempolicy(task: Task, nmask: int, maxnode: int, addr: int, flags: int) -> int:
    """get_mempolicy(2), as far as errors go: 0, EINVAL or EFAULT (nothing mapped at `addr`)."""
    mm = task.mm
    if mm is None:
        return -EINVAL
    if nmask != 0 and maxnode < max(mm.config.numa_nodes, 1):
        return mm.refusal.blame(EINVAL, "maxnode", "less than the number of nodes")
    if flags & ~(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED) != 0:
        return mm.refusal.blame(EINVAL, "flags", "unknown flag")
    if flags & MPOL_F_MEMS_ALLOWED != 0:
        if flags & (MPOL_F_NODE | MPOL_F_ADDR) != 0:
            return mm.refusal.blame(
                EINVAL, "flags", "MPOL_F_MEMS_ALLOWED together with another flag"
            )
        return 0
    if flags & MPOL_F_ADDR != 0:
        if addr >= mm.task_size or vma_lookup(mm, addr) is None:
            return mm.refusal.blame(EFAULT, "addr", "nothing is mapped there")
        return 0
    if addr != 0:
        return mm.refusal.blame(EINVAL, "addr", "not 0 without MPOL_F_ADDR")
    policy = task.mempolicy
    interleaves = policy is not None and policy.mode in (MPOL_INTERLEAVE, MPOL_WEIGHTED_INTERLEAVE)
    if flags & MPOL_F_NODE != 0 and not interleaves:
        return mm.refusal.blame(EINVAL, "flags", "MPOL_F_NODE without a policy that interleaves")
    return 0


def ksys_set_mempolicy_home_node(
    task: Task, start: int, length: int, home_node: int, flags: int
) -> int:
    """set_mempolicy_home_node(2): 0, EINVAL, ENOENT (no policy there), EOPNOTSUPP or ENOMEM.

    ENOSYS where the kernel has no such call.
    """
    mm = task.mm
    if mm is None:
        return -EINVAL
    if not mm.features.home_nodes:
        return mm.refusal.blame(ENOSYS, "", "the kernel has no set_mempolicy_home_node")
    if start & ~PAGE_MASK != 0:
        return mm.refusal.blame(EINVAL, "start", "not a multiple of the page size")
    if flags != 0:
        return mm.refusal.blame(EINVAL, "flags", "must be 0")
    if home_node >= max(mm.config.numa_nodes, 1):
        return mm.refusal.blame(EINVAL, "home_node", "not a node of the machine")
    end = start + page_align_ulong(length)
    if end > ULONG_MAX:
        return mm.refusal.blame(
            EINVAL, "length", "address and length wrap around the end of the address space"
        )
    if end == start:
        return 0
    if start >= mm.task_size:
        return mm.refusal.blame(ENOENT, "start", "no memory policy in the range")
    end = min(end, mm.task_size + PAGE_SIZE)
    found = False
    vmi = Vmi(mm, start)
    vmi.load()
    prev = vmi.prev()
    vmi.set(start)
    vma = vmi.find(end)
    while vma is not None:
        old = vma.vm_policy
        if old is not None:
            if old.mode not in (MPOL_BIND, MPOL_PREFERRED_MANY):
                return mm.refusal.blame_at(
                    EOPNOTSUPP,
                    "start",
                    "the memory policy has no home node: the mapping",
                    vma.vm_start,
                )
            new = old.copy()
            new.home_node = home_node
            bound = mbind_range(vmi, vma, prev, start, end, new)
            if isinstance(bound, int):
                return bound
            vma = bound
            found = True
        prev = vma
        vma = vmi.find(end)
    if not found:
        return mm.refusal.blame(ENOENT, "start", "no memory policy in the range")
    return 0


def check_move_nodes(mm: Mm, nodes: object) -> int:
    """Check the nodes to move pages to: 0, or -ENODEV for one that there is not.

    Only those that a log has kept are looked at.
    """
    if isinstance(nodes, list):
        for node in nodes:
            if isinstance(node, int) and node >= max(mm.config.numa_nodes, 1):
                return mm.refusal.blame(ENODEV, "nodes", "not a node of the machine")
    return 0


def ksys_migrate_pages(task: Task, pid: int, maxnode: int, old: object, new: object) -> int:
    """migrate_pages(2): 0 (nothing to move on one node), EINVAL, ESRCH or EPERM."""
    for mask in (old, new):
        request = read_request(task.mm, MPOL_DEFAULT, mask, maxnode)
        if request.error != 0:
            return request.error
    pid &= 0xFFFFFFFF
    if pid != 0 and task.machine.find_task(pid) is None:
        return task.machine.kernel.refusal.blame(ESRCH, "pid", "no such process")
    mm = task.mm
    allowed = (1 << max(mm.config.numa_nodes, 1)) - 1 if mm is not None else 1
    wanted = read_request(task.mm, MPOL_DEFAULT, new, maxnode).nodes
    if wanted & ~allowed != 0 and not task.capable(CAP_SYS_NICE):
        return task.machine.kernel.refusal.blame(
            EPERM, "new_nodes", "nodes beyond the process's own need CAP_SYS_NICE"
        )
    if wanted & allowed == 0:
        return task.machine.kernel.refusal.blame(
            EINVAL, "new_nodes", "none of them is a node of the machine"
        )
    return 0
