# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams: what holds for all calls to come (personality, prctl, limits)."""

from typing import Final

from vmalab.calls.call import U64_MAX, Call
from vmalab.check.draw import MAX_FDS, MINUS_ONE, PAGE, Draw, call
from vmalab.check.moves.anonymous import protect
from vmalab.linux.fs.proc.clear_refs import CLEAR_REFS
from vmalab.linux.include.uapi.fcntl import AT_FDCWD, O_WRONLY
from vmalab.linux.include.uapi.mempolicy import MPOL_BIND, MPOL_DEFAULT, MPOL_PREFERRED
from vmalab.linux.include.uapi.personality import (
    ADDR_COMPAT_LAYOUT,
    ADDR_LIMIT_3GB,
    ADDR_NO_RANDOMIZE,
    MMAP_PAGE_ZERO,
    PER_LINUX32,
    READ_IMPLIES_EXEC,
)
from vmalab.linux.include.uapi.prctl import (
    PR_GET_MDWE,
    PR_GET_MEMORY_MERGE,
    PR_GET_THP_DISABLE,
    PR_MDWE_NO_INHERIT,
    PR_MDWE_REFUSE_EXEC_GAIN,
    PR_SET_MDWE,
    PR_SET_THP_DISABLE,
    PR_THP_DISABLE_EXCEPT_ADVISED,
)
from vmalab.linux.include.uapi.resource import (
    RLIM64_INFINITY,
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
    RLIMIT_STACK,
)

_QUERY: Final = 0xFFFFFFFF
_PERSONAS: Final = (
    0,
    READ_IMPLIES_EXEC,
    READ_IMPLIES_EXEC,
    ADDR_COMPAT_LAYOUT,
    MMAP_PAGE_ZERO,
    ADDR_LIMIT_3GB,
    PER_LINUX32,
    PER_LINUX32 | ADDR_LIMIT_3GB | READ_IMPLIES_EXEC,
    _QUERY,
)
# Where nothing can be read: past the end of user space, not canonical.
_UNREADABLE: Final = ((1 << 47) - PAGE, 1 << 47, (1 << 64) - PAGE, U64_MAX)


def be_like(s: Draw) -> Call:
    """Take on another personality, most of the time one that executes what it reads."""
    persona = s.pick(_PERSONAS)
    return call("personality", persona if persona == _QUERY else persona | ADDR_NO_RANDOMIZE)


def refuse_exec_gain(s: Draw) -> Call:
    """PR_SET_MDWE, which cannot be taken back, and the question for it."""
    if s.chance(60):
        return call("prctl", PR_GET_MDWE, s.pick((0, 0, 0, 1)))
    refuse = PR_MDWE_REFUSE_EXEC_GAIN
    bits = s.pick((refuse, refuse | PR_MDWE_NO_INHERIT, 0, PR_MDWE_NO_INHERIT, 4))
    return call("prctl", PR_SET_MDWE, bits, s.pick((0, 0, 0, 0, 1)))


def disable_huge_pages(s: Draw) -> Call:
    """PR_SET_THP_DISABLE with and without its exception, and the questions for such settings."""
    if s.chance(40):
        asked = s.pick((PR_GET_THP_DISABLE, PR_GET_THP_DISABLE, PR_GET_MEMORY_MERGE))
        return call("prctl", asked, s.pick((0, 0, 0, 0, 1)))
    flags = s.pick((0, 0, PR_THP_DISABLE_EXCEPT_ADVISED, PR_THP_DISABLE_EXCEPT_ADVISED, 1, 4))
    return call("prctl", PR_SET_THP_DISABLE, s.pick((0, 1, 1, 1, 3)), flags)


def limit_below_use(s: Draw) -> Call:
    """Lower a soft limit to less than is in use already, or take it away again."""
    resource = s.pick((RLIMIT_AS, RLIMIT_DATA, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK))
    most = 8 << 20 if resource == RLIMIT_MEMLOCK else RLIM64_INFINITY
    soft = s.pick((0, 1, PAGE, 3 * PAGE, s.below(64) * PAGE + s.below(PAGE), most, most, most))
    limits = {"rlim_cur": soft, "rlim_max": most}
    if s.chance(6):
        limits["rlim_max"] = soft - 1 if soft else 0
    if s.chance(20):
        return call("setrlimit", resource, 0, mem={1: limits})
    return call("prlimit64", 0, resource, 0, 0, mem={2: limits})


def unreadable(s: Draw) -> Call:
    """Point a call to where nothing can be read or written."""
    pointer = s.pick(_UNREADABLE)
    how = s.below(8 if s.abilities.numa else 4)
    start, length = s.mapped_range()
    if how == 0:
        return call("mincore", start, length, pointer)
    if how == 1:
        return call("prlimit64", 0, s.pick((RLIMIT_AS, RLIMIT_STACK, 99)), pointer, 0)
    if how == 2:
        return call("prlimit64", 0, s.pick((RLIMIT_DATA, RLIMIT_MEMLOCK)), 0, pointer)
    if how == 3:
        if s.chance(50) and len(s.fds["memfd"]) < MAX_FDS:
            # Within a page no call writes anything: where one can be read, the name is empty.
            pointer = s.page() + PAGE // 2
        return call("memfd_create", pointer, s.pick((0, 2, 0x100)))
    mode = s.pick((MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_BIND, 77))
    maxnode = s.pick((64, 64, 64, 1, 0, 4096, 1 << 20))
    if how < 7:
        flags = s.pick((0, 0, 1, 2, 8, MINUS_ONE & 0xFF))
        return call("mbind", start, length, mode, pointer, maxnode, flags)
    return call("set_mempolicy", mode, pointer, maxnode)


def protect_as_read(s: Draw) -> Call:
    """mprotect to a protection that a personality, or PR_SET_MDWE, looks at."""
    made = protect(s)
    return call("mprotect", made.args[0], made.args[1], s.pick((1, 3, 4, 5, 5, 7)))


def clear_soft_dirty(s: Draw) -> Call:
    """Let what was written to since count as clean, as a checkpoint does."""
    if not s.abilities.soft_dirty:
        return protect_as_read(s)
    fds = s.fds["refs"]
    if not fds:
        return call("openat", AT_FDCWD & _QUERY, 0, O_WRONLY, mem={1: CLEAR_REFS})
    if s.chance(3):
        return call("close", fds[0])
    return call("write", fds[0], 0, 1, mem={1: s.pick(("4", "4", "4", "1", "3"))})
