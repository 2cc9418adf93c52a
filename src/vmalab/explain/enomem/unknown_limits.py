# SPDX-License-Identifier: GPL-2.0-or-later
"""Says what a recording shows of refusals by what it does not hold: limits, security policies."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.table import MAPS
from vmalab.explain.enomem.limit_checks import VMAS, LimitVerdict, size_text
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.uapi.errno import EACCES
from vmalab.linux.include.uapi.resource import RLIM_INFINITY, RLIMIT_AS, RLIMIT_DATA
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.meta import Meta
from vmalab.replay.rights import code_of
from vmalab.replay.unknown_limits import unstated_limits

# VMAs that a program may have when its log begins, and bytes: its own, its loader's, the kernel's.
_AT_START: Final = 64
_SIZE_AT_START: Final = 64 << 20
_START: Final = "start-up VMAs are not in the log"


def unknown_limit(mm: Mm, call: Call, meta: Meta) -> LimitVerdict:
    """Return what can be said of a refusal whose limit the recording does not hold."""
    limit = mm.config.max_map_count
    left = limit - mm.map_count
    if 0 <= left <= _AT_START:
        known = "vm.max_map_count"
        if "vm.max_map_count" not in meta.sysctl:
            known = "the default of vm.max_map_count"
        why = f"{mm.map_count} VMAs in the log, within {left} of {known}, {limit}; {_START}"
        remedy = f"a larger vm.max_map_count, or {_AT_START} VMAs fewer"
        return LimitVerdict("map count", why, remedy, VMAS, None, limit)
    more = _asked(mm, call)
    near = _near_a_limit(mm, more)
    if near is not None:
        return near
    asked = f", and the call asks for {size_text(more)}" if more else ""
    known = f"{mm.map_count} VMAs of {size_text(mm.total_vm << PAGE_SHIFT)} are known{asked}"
    names = ", ".join(unstated_limits(meta))
    why = f"no limit that is known refuses it: {known}; {_START}"
    if names:
        why = f"the log holds no limits ({names}): {known}; {_START}"
        why += "; state what is known with --set, --rlimit and --ram"
    return LimitVerdict("unknown", why, "")


def _asked(mm: Mm, call: Call) -> int:
    """Return by how many bytes a call would have made the address space larger."""
    args = call.args
    if call.name == "brk":
        return max(args[0] - int(mm.brk), 0)
    if call.name == "mremap":
        return max(args[2] - args[1], 0)
    return args[1] if call.row.family & MAPS and call.name != "shmat" else 0


def _near_a_limit(mm: Mm, more: int) -> LimitVerdict | None:
    """Return the limit that what the log does not show can have used up, None where none can."""
    used = (("AS", RLIMIT_AS, mm.total_vm), ("DATA", RLIMIT_DATA, mm.data_vm))
    for name, number, pages in used:
        size = int(pages) << PAGE_SHIFT
        limit = RLIM_INFINITY if mm.owner is None else mm.owner.signal.rlim_cur[number]
        left = limit - size - more
        if limit < RLIM_INFINITY and 0 <= left <= min(_SIZE_AT_START, limit // 2):
            why = (
                f"{size_text(size)} in the log and {size_text(more)} more, within "
                f"{size_text(left)} of RLIMIT_{name}, {size_text(limit)}; {_START}"
            )
            return LimitVerdict(f"RLIMIT_{name}", why, f"a larger RLIMIT_{name}")
    return None


def unknown_policy(call: Call, reason: str) -> LimitVerdict:
    """Return who may have refused a call that memory management would let pass.

    By the errno: a security module answers EACCES, and so does PR_SET_MDWE, which a program may
    have inherited; a filter answers what its author chose, systemd's EPERM.
    """
    if code_of(call) == 0:
        return LimitVerdict(reason, f"a seccomp filter answers so to {call.spelling}", "")
    who = "a seccomp filter (systemd's MemoryDenyWriteExecute=)"
    if call.ret == -EACCES:
        who = f"SELinux (execmem, execmod, execheap), an inherited PR_SET_MDWE, or {who}"
    else:
        who += ", or a security module"
    return LimitVerdict(reason, f"PROT_EXEC is refused by {who}", "")
