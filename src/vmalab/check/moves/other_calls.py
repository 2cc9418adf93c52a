# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams: locks, limits, userfaultfd, policies, seals, keys, processes."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.check.draw import MAX_DEPTH, MINUS_ONE, PAGE, Draw, call
from vmalab.check.moves.anonymous import advise, map_alike, protect
from vmalab.linux.include.uapi import mman as m
from vmalab.linux.include.uapi.mempolicy import (
    MPOL_BIND,
    MPOL_DEFAULT,
    MPOL_INTERLEAVE,
    MPOL_LOCAL,
    MPOL_MF_MOVE,
    MPOL_MF_STRICT,
    MPOL_PREFERRED,
    MPOL_PREFERRED_MANY,
)
from vmalab.linux.include.uapi.prctl import (
    PR_SET_MEMORY_MERGE,
    PR_SET_VMA,
    PR_SET_VMA_ANON_NAME,
)
from vmalab.linux.include.uapi.resource import (
    RLIM64_INFINITY,
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
    RLIMIT_STACK,
)
from vmalab.linux.include.uapi.sched import CLONE_VFORK, CLONE_VM
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_API,
    UFFD_FEATURE_RWP,
    UFFD_FEATURE_RWP_ASYNC,
    UFFD_FEATURE_SIGBUS,
    UFFD_FEATURE_WP_ASYNC,
    UFFD_FEATURE_WP_UNPOPULATED,
    UFFDIO_API,
    UFFDIO_CONTINUE,
    UFFDIO_COPY,
    UFFDIO_MOVE,
    UFFDIO_POISON,
    UFFDIO_REGISTER,
    UFFDIO_REGISTER_MODE_MINOR,
    UFFDIO_REGISTER_MODE_MISSING,
    UFFDIO_REGISTER_MODE_RWP,
    UFFDIO_REGISTER_MODE_WP,
    UFFDIO_RWPROTECT,
    UFFDIO_SET_MODE,
    UFFDIO_UNREGISTER,
    UFFDIO_WAKE,
    UFFDIO_WRITEPROTECT,
    UFFDIO_ZEROPAGE,
)

_RW: Final = m.PROT_READ | m.PROT_WRITE
_SIGCHLD: Final = 17

# Locks.


def lock(s: Draw) -> Call:
    """mlock and mlock2."""
    start, length = s.mapped_range()
    if s.chance(10):
        start, length = start + s.below(PAGE), max(length - s.below(2 * PAGE), 1)
    if s.chance(55):
        return call("mlock", start, length)
    return call("mlock2", start, length, s.pick((0, m.MLOCK_ONFAULT, m.MLOCK_ONFAULT)))


def unlock(s: Draw) -> Call:
    """munlock."""
    start, length = s.mapped_range()
    return call("munlock", start, length)


def lock_all(s: Draw) -> Call:
    """mlockall, seldom, and its undoing more often."""
    if s.chance(60):
        s.locks_future = False
        return call("munlockall")
    flags = s.pick((1, 1, 2, 3, 5, 6, 7, 4, 0))
    s.locks_future = s.locks_future or flags & 2 != 0
    return call("mlockall", flags)


def map_locked(s: Draw) -> Call:
    """Map memory that is locked from the start."""
    start, length = s.range()
    flags = m.MAP_PRIVATE | m.MAP_ANONYMOUS | m.MAP_FIXED | m.MAP_LOCKED
    return call("mmap", start, length, _RW, flags, MINUS_ONE, 0)


def lock_placed(s: Draw) -> Call:
    """Lock what the kernel placed; what is large only as far as it will be touched."""
    found = s.placed_range()
    if found is None:
        return lock(s)
    if found[1] <= 64 * PAGE and s.chance(50):
        return call("mlock", *found)
    return call("mlock2", *found, m.MLOCK_ONFAULT)


def unlock_placed(s: Draw) -> Call:
    """Unlocks what the kernel placed."""
    found = s.placed_range()
    return unlock(s) if found is None else call("munlock", *found)


# Limits.


def limit(s: Draw) -> Call:
    """Set a soft limit near what is in use, or take it away."""
    resource = s.pick(
        (RLIMIT_AS, RLIMIT_AS, RLIMIT_DATA, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK)
    )
    pages = s.pages + s.below(200)
    if resource == RLIMIT_MEMLOCK:
        return call(
            "prlimit64",
            0,
            resource,
            0,
            0,
            mem={2: {"rlim_cur": s.below(64) * PAGE, "rlim_max": 8 << 20}},
        )
    soft = RLIM64_INFINITY if s.chance(45) else pages * PAGE
    if resource == RLIMIT_STACK and soft != RLIM64_INFINITY:
        soft = s.pick((8 << 20, 1 << 20, 256 * PAGE))
    return call(
        "prlimit64", 0, resource, 0, 0, mem={2: {"rlim_cur": soft, "rlim_max": RLIM64_INFINITY}}
    )


# userfaultfd.

_UFFD_FEATURES: Final = (
    0,
    0,
    0,
    UFFD_FEATURE_WP_UNPOPULATED,
    UFFD_FEATURE_WP_ASYNC,
    UFFD_FEATURE_RWP,
    UFFD_FEATURE_RWP | UFFD_FEATURE_RWP_ASYNC,
)


def open_uffd(s: Draw) -> Call:
    """Make a userfaultfd, or tell one which interface is spoken; without it nothing works."""
    fds = s.fds["uffd"]
    if not s.abilities.userfaultfd or (len(fds) >= 3 and s.chance(50)):
        return call("close", fds[0]) if fds else advise(s)
    if fds and fds[-1] not in s.ready:
        # Without the signal a fault would wait for somebody to read of it.
        features = UFFD_FEATURE_SIGBUS | s.pick(_UFFD_FEATURES)
        struct = {"api": UFFD_API, "features": features, "ioctls": 0}
        return call("ioctl", fds[-1], UFFDIO_API, 0, mem={2: struct})
    return call("userfaultfd", 1 if s.chance(70) else 0)


def register(s: Draw) -> Call:
    """Registers a range with a userfaultfd."""
    start, length = s.mapped_range()
    mode = s.pick(
        (
            UFFDIO_REGISTER_MODE_MISSING,
            UFFDIO_REGISTER_MODE_MISSING,
            UFFDIO_REGISTER_MODE_WP,
            UFFDIO_REGISTER_MODE_WP,
            UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
            UFFDIO_REGISTER_MODE_MINOR,
            UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR,
            UFFDIO_REGISTER_MODE_RWP,
        )
    )
    struct = {"range": {"start": start, "len": length}, "mode": mode, "ioctls": 0}
    return call("ioctl", s.fd("uffd"), UFFDIO_REGISTER, 0, mem={2: struct})


def unregister(s: Draw) -> Call:
    """Take a range off a userfaultfd."""
    start, length = s.mapped_range()
    struct = {"start": start, "len": length}
    return call("ioctl", s.fd("uffd"), UFFDIO_UNREGISTER, 0, mem={2: struct})


def fill(s: Draw) -> Call:
    """Bring pages of a range that is perhaps registered."""
    fd, start, length = s.registered_range()
    request = s.pick(
        (
            UFFDIO_COPY,
            UFFDIO_COPY,
            UFFDIO_ZEROPAGE,
            UFFDIO_CONTINUE,
            UFFDIO_CONTINUE,
            UFFDIO_POISON,
            UFFDIO_MOVE,
            UFFDIO_MOVE,
        )
    )
    mode = s.pick((0, 0, 0, 0, 1, 2, 2, 3, 4))
    if request not in (UFFDIO_COPY, UFFDIO_MOVE):
        struct: object = {"range": {"start": start, "len": length}, "mode": mode, "ioctls": 0}
        return call("ioctl", fd, request, 0, mem={2: struct})
    source, _ = s.one_vma_range()
    if request == UFFDIO_COPY and s.chance(10):
        source += s.below(PAGE)
    struct = {"dst": start, "src": source, "len": length, "mode": mode, "copy": 0}
    return call("ioctl", fd, request, 0, mem={2: struct})


def guard_pages(s: Draw) -> Call:
    """Protect pages of a range that is perhaps registered, or stop to, or wakes who waits."""
    fd, start, length = s.registered_range()
    if s.chance(8):
        both = {"enable": s.pick(_TOGGLED), "disable": s.pick(_TOGGLED)}
        return call("ioctl", fd, UFFDIO_SET_MODE, 0, mem={2: both})
    if s.chance(4):
        return call("ioctl", fd, UFFDIO_WAKE, 0, mem={2: {"start": start, "len": length}})
    request = s.pick((UFFDIO_WRITEPROTECT, UFFDIO_WRITEPROTECT, UFFDIO_RWPROTECT))
    mode = s.pick((1, 1, 1, 1, 0, 0, 2, 3))
    struct = {"range": {"start": start, "len": length}, "mode": mode}
    return call("ioctl", fd, request, 0, mem={2: struct})


def drop_pages(s: Draw) -> Call:
    """Advice that takes pages away, of which it is known what it does."""
    start, length = s.mapped_range()
    return call("madvise", start, length, s.pick(_DROPPING))


# No MADV_GUARD_INSTALL: over a marker of a protected shared page Linux tries it for ever.
_DROPPING: Final = (m.MADV_DONTNEED, m.MADV_DONTNEED, m.MADV_DONTNEED, m.MADV_REMOVE)
_TOGGLED: Final = (0, 0, UFFD_FEATURE_RWP_ASYNC, UFFD_FEATURE_RWP_ASYNC, UFFD_FEATURE_WP_ASYNC)

# Policies of NUMA nodes.


def _mode(s: Draw) -> int:
    return s.pick(
        (
            MPOL_DEFAULT,
            MPOL_DEFAULT,
            MPOL_BIND,
            MPOL_BIND,
            MPOL_INTERLEAVE,
            MPOL_PREFERRED,
            MPOL_LOCAL,
            MPOL_PREFERRED_MANY,
        )
    )


def _mask(s: Draw, mode: int) -> list[object]:
    if mode in (MPOL_DEFAULT, MPOL_LOCAL):
        return [0]
    return [s.pick((1, 1, 1, 1, 0, 3))]


def bind(s: Draw) -> Call:
    """mbind: VMAs with different policies do not merge."""
    if not s.abilities.numa:
        return advise(s)
    start, length = s.mapped_range()
    mode = _mode(s)
    flags = s.pick((0, 0, 0, MPOL_MF_STRICT, MPOL_MF_MOVE))
    return call("mbind", start, length, mode, 0, 64, flags, mem={3: _mask(s, mode)})


def set_policy(s: Draw) -> Call:
    """Return the policy of the task, which shows in no map."""
    if not s.abilities.numa:
        return protect(s)
    mode = _mode(s)
    return call("set_mempolicy", mode, 0, 64, mem={1: _mask(s, mode)})


# Seals, keys, names.


def seal(s: Draw) -> Call:
    """mseal: a part of the window that stays as it is for good."""
    start, length = s.one_vma_range() if s.chance(80) else s.range()
    return call("mseal", start, min(length, 2 * PAGE), 1 if s.chance(4) else 0)


def name_range(s: Draw) -> Call:
    """Return a name for anonymous memory."""
    start, length = s.mapped_range()
    name = s.pick(("heap a", "heap a", "b", None, "bad[name"))
    mem: dict[int, object] | None = None if name is None else {4: name}
    return call("prctl", PR_SET_VMA, PR_SET_VMA_ANON_NAME, start, length, 0, 0, mem)


def protect_key(s: Draw) -> Call:
    """pkey_mprotect, pkey_alloc, pkey_free."""
    how = s.below(10)
    if how == 0:
        return call("pkey_alloc", 0, s.pick((0, 0, 1, 2, 3)))
    if how == 1:
        # Never key 0: all of the worker's own memory has it.
        return call("pkey_free", s.keys.pop() if s.keys else 1 + s.below(16))
    start, length = s.mapped_range()
    key = s.pick(s.keys) if s.keys and s.chance(80) else s.pick((0, 0, MINUS_ONE, 1))
    return call("pkey_mprotect", start, length, s.pick((_RW, _RW, m.PROT_READ, 0)), key)


# Processes.


def merge_pages(s: Draw) -> Call:
    """Let KSM look for equal pages in all memory to come, or no more."""
    if not s.abilities.ksm:
        return advise(s)
    return call("prctl", PR_SET_MEMORY_MERGE, s.pick((1, 1, 0)))


def fork(s: Draw) -> Call:
    """Fork: a child carries on, seldom so deep that processes pile up."""
    if s.depth >= MAX_DEPTH:
        return leave(s)
    return call("clone", _SIGCHLD)


def fork_sharing(s: Draw) -> Call:
    """Fork a child that carries on in its parent's memory, with and without CLONE_VFORK."""
    if s.depth >= MAX_DEPTH:
        return leave(s)
    return call("clone", _SIGCHLD | CLONE_VM | s.pick((0, CLONE_VFORK)))


def leave(s: Draw) -> Call:
    """End the child: its parent carries on with the address space as it was."""
    return call("exit") if s.depth > 0 else map_alike(s)
