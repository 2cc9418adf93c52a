# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams: files, locks, limits, userfaultfd, policies, seals, keys, processes."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.linux.include.uapi import mman as m
from vmalab.linux.include.uapi.fcntl import (
    AT_FDCWD,
    F_ADD_SEALS,
    F_GET_SEALS,
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    O_RDONLY,
    O_RDWR,
)
from vmalab.linux.include.uapi.memfd import MFD_ALLOW_SEALING
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
from vmalab.linux.include.uapi.prctl import PR_SET_VMA, PR_SET_VMA_ANON_NAME
from vmalab.linux.include.uapi.resource import (
    RLIM64_INFINITY,
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
    RLIMIT_STACK,
)
from vmalab.linux.include.uapi.shm import IPC_PRIVATE, IPC_RMID, SHM_RDONLY, SHM_REMAP, SHM_RND
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
from vmalab.observe.moves import advise, map_alike, protect
from vmalab.observe.source import MAX_FDS, MINUS_ONE, PAGE, Source, call

_RW: Final = m.PROT_READ | m.PROT_WRITE
_CWD: Final = AT_FDCWD & 0xFFFFFFFF
_SIGCHLD: Final = 17

# Files.


def open_file(s: Source) -> Call:
    """Opens one of the two files, or /dev/zero, or makes a memfd."""
    kind = "file" if s.abilities.files and s.chance(60) else "memfd"
    if len(s.fds[kind]) >= MAX_FDS:
        return call("close", s.fds[kind][0])
    if kind == "memfd":
        flags = MFD_ALLOW_SEALING if s.chance(40) else 0
        return call("memfd_create", 0, flags, mem={0: s.pick(("x", "y", "z"))})
    path = s.pick(("f0", "f0", "f1", "f1", "/dev/zero"))
    return call("openat", _CWD, 0, s.pick((O_RDWR, O_RDWR, O_RDONLY)), mem={1: path})


def size_file(s: Source) -> Call:
    """Gives a memfd a size."""
    fd = s.fd("memfd") if s.chance(80) else s.fd("file")
    return call("ftruncate", fd, s.pick((0, 64, 64, 64, 48, 16, 5)) * PAGE)


def seal_file(s: Source) -> Call:
    """Adds a seal to a memfd, or asks for them."""
    fd = s.fd("memfd")
    if s.chance(20):
        return call("fcntl", fd, F_GET_SEALS)
    seals = s.pick((F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, F_SEAL_FUTURE_WRITE))
    return call("fcntl", fd, F_ADD_SEALS, seals)


def map_file(s: Source) -> Call:
    """Maps a file in the window, its offset often fitting the place."""
    start, length = s.range()
    fd = s.fd("file") if s.chance(60) else s.fd("memfd")
    offset = start - s.window.base if s.chance(75) else s.below(32) * PAGE
    flags = s.pick((m.MAP_PRIVATE, m.MAP_PRIVATE, m.MAP_SHARED)) | m.MAP_FIXED
    prot = s.pick((_RW, _RW, m.PROT_READ, m.PROT_READ | m.PROT_EXEC, m.PROT_NONE))
    return call("mmap", start, length, prot, flags, fd, offset)


def map_file_anywhere(s: Source) -> Call:
    """Maps a file where the kernel likes."""
    fd = s.fd("file") if s.chance(60) else s.fd("memfd")
    flags = s.pick((m.MAP_PRIVATE, m.MAP_SHARED, m.MAP_SHARED))
    pages = s.pick((1, 2, 4, 16, 512))
    return call("mmap", 0, pages * PAGE, s.pick((_RW, m.PROT_READ)), flags, fd, s.below(8) * PAGE)


def close_file(s: Source) -> Call:
    """Closes a file; its mappings stay."""
    return call("close", s.fd(s.pick(("file", "memfd"))))


# System V segments.


def get_segment(s: Source) -> Call:
    """shmget of a new segment."""
    if not s.abilities.ipc or len(s.segments) > 5:
        return attach(s)
    return call("shmget", IPC_PRIVATE, s.pick((1, 2, 4, 9)) * PAGE, 0o1600)


def attach(s: Source) -> Call:
    """shmat, in the window or anywhere."""
    if not s.segments:
        return map_alike(s) if not s.abilities.ipc else call("shmget", 0, 3 * PAGE, 0o1600)
    flags = s.pick((0, 0, SHM_RDONLY, SHM_REMAP, SHM_RND | SHM_REMAP, SHM_RND))
    start = s.page() + (s.below(PAGE) if flags & SHM_RND else 0)
    if s.chance(30) and flags & SHM_REMAP == 0:
        start = 0
    return call("shmat", s.pick(s.segments), start, flags)


def detach(s: Source) -> Call:
    """shmdt, or removal of a segment."""
    if s.segments and s.chance(10):
        return call("shmctl", s.segments.pop(0), IPC_RMID)
    if not s.attached:
        return call("shmdt", s.page())
    return call("shmdt", s.attached.pop(s.below(len(s.attached))))


# Locks.


def lock(s: Source) -> Call:
    """mlock and mlock2."""
    start, length = s.mapped_range()
    if s.chance(10):
        start, length = start + s.below(PAGE), max(length - s.below(2 * PAGE), 1)
    if s.chance(55):
        return call("mlock", start, length)
    return call("mlock2", start, length, s.pick((0, m.MLOCK_ONFAULT, m.MLOCK_ONFAULT)))


def unlock(s: Source) -> Call:
    """munlock."""
    start, length = s.mapped_range()
    return call("munlock", start, length)


def lock_all(s: Source) -> Call:
    """mlockall, seldom, and its undoing more often."""
    if s.chance(60):
        s.locks_future = False
        return call("munlockall")
    flags = s.pick((1, 1, 2, 3, 5, 6, 7, 4, 0))
    s.locks_future = s.locks_future or flags & 2 != 0
    return call("mlockall", flags)


def map_locked(s: Source) -> Call:
    """Memory that is locked from the start."""
    start, length = s.range()
    flags = m.MAP_PRIVATE | m.MAP_ANONYMOUS | m.MAP_FIXED | m.MAP_LOCKED
    return call("mmap", start, length, _RW, flags, MINUS_ONE, 0)


# Limits.


def limit(s: Source) -> Call:
    """Sets a soft limit near what is in use, or takes it away."""
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


def open_uffd(s: Source) -> Call:
    """Makes a userfaultfd, or tells one which interface is spoken; without it nothing works."""
    fds = s.fds["uffd"]
    if not s.abilities.userfaultfd or (len(fds) >= 3 and s.chance(50)):
        return call("close", fds[0]) if fds else advise(s)
    if fds and fds[-1] not in s.ready:
        # Without the signal a fault would wait for somebody to read of it.
        features = UFFD_FEATURE_SIGBUS | s.pick(_UFFD_FEATURES)
        struct = {"api": UFFD_API, "features": features, "ioctls": 0}
        return call("ioctl", fds[-1], UFFDIO_API, 0, mem={2: struct})
    return call("userfaultfd", 1 if s.chance(70) else 0)


def register(s: Source) -> Call:
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


def unregister(s: Source) -> Call:
    """Takes a range off a userfaultfd."""
    start, length = s.mapped_range()
    struct = {"start": start, "len": length}
    return call("ioctl", s.fd("uffd"), UFFDIO_UNREGISTER, 0, mem={2: struct})


def fill(s: Source) -> Call:
    """Brings pages of a range that is perhaps registered."""
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


def guard_pages(s: Source) -> Call:
    """Protects pages of a range that is perhaps registered, or stops to, or wakes who waits."""
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


def drop_pages(s: Source) -> Call:
    """Advice that takes pages away, of which it is known what it does."""
    start, length = s.mapped_range()
    return call("madvise", start, length, s.pick(_DROPPING))


# No MADV_GUARD_INSTALL: over a marker of a protected shared page Linux tries it for ever.
_DROPPING: Final = (m.MADV_DONTNEED, m.MADV_DONTNEED, m.MADV_DONTNEED, m.MADV_REMOVE)
_TOGGLED: Final = (0, 0, UFFD_FEATURE_RWP_ASYNC, UFFD_FEATURE_RWP_ASYNC, UFFD_FEATURE_WP_ASYNC)

# Policies of NUMA nodes.


def _mode(s: Source) -> int:
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


def _mask(s: Source, mode: int) -> list[object]:
    if mode in (MPOL_DEFAULT, MPOL_LOCAL):
        return [0]
    return [s.pick((1, 1, 1, 1, 0, 3))]


def bind(s: Source) -> Call:
    """mbind: VMAs with different policies do not merge."""
    if not s.abilities.numa:
        return advise(s)
    start, length = s.mapped_range()
    mode = _mode(s)
    flags = s.pick((0, 0, 0, MPOL_MF_STRICT, MPOL_MF_MOVE))
    return call("mbind", start, length, mode, 0, 64, flags, mem={3: _mask(s, mode)})


def set_policy(s: Source) -> Call:
    """The policy of the task, which shows in no map."""
    if not s.abilities.numa:
        return protect(s)
    mode = _mode(s)
    return call("set_mempolicy", mode, 0, 64, mem={1: _mask(s, mode)})


# Seals, keys, names.


def seal(s: Source) -> Call:
    """mseal: a part of the window that stays as it is for good."""
    start, length = s.one_vma_range() if s.chance(80) else s.range()
    return call("mseal", start, min(length, 2 * PAGE), 1 if s.chance(4) else 0)


def name_range(s: Source) -> Call:
    """A name for anonymous memory."""
    start, length = s.mapped_range()
    name = s.pick(("heap a", "heap a", "b", None, "bad[name"))
    mem: dict[int, object] | None = None if name is None else {4: name}
    return call("prctl", PR_SET_VMA, PR_SET_VMA_ANON_NAME, start, length, 0, 0, mem)


def protect_key(s: Source) -> Call:
    """pkey_mprotect, pkey_alloc, pkey_free."""
    how = s.below(10)
    if how == 0:
        return call("pkey_alloc", 0, s.pick((0, 0, 1, 2, 3)))
    if how == 1:
        return call("pkey_free", s.keys.pop() if s.keys else s.below(17))
    start, length = s.mapped_range()
    key = s.pick(s.keys) if s.keys and s.chance(80) else s.pick((0, 0, MINUS_ONE, 1))
    return call("pkey_mprotect", start, length, s.pick((_RW, _RW, m.PROT_READ, 0)), key)


# Processes.


def fork(s: Source) -> Call:
    """A child carries on; seldom so deep that processes pile up."""
    if s.depth >= 4:
        return leave(s)
    return call("clone", _SIGCHLD)


def leave(s: Source) -> Call:
    """The child ends, and its parent carries on with the address space as it was."""
    return call("exit") if s.depth > 0 else map_alike(s)
