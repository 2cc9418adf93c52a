# SPDX-License-Identifier: GPL-2.0-or-later
"""Says what a recording shows of refusals by what it does not hold: limits, security policies."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.table import MAPS
from vmalab.explain.enomem.limit_checks import VMAS, LimitVerdict, size_text
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.uapi.errno import EACCES
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.meta import Meta
from vmalab.replay.rights import code_of

# VMAs that a program may have when its log begins: its own, its loader's, the kernel's.
_AT_START: Final = 64
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
    asked = ""
    if call.row.family & MAPS:
        asked = f", and the call asks for {size_text(call.args[2 if call.name == 'mremap' else 1])}"
    why = (
        "the log holds no limits (RLIMIT_AS, RLIMIT_DATA, vm.max_map_count, RAM): "
        f"{mm.map_count} VMAs of {size_text(mm.total_vm << PAGE_SHIFT)} are known{asked}; {_START}"
        "; state what is known with --set, --rlimit and --ram"
    )
    return LimitVerdict("unknown", why, "")


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
