# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams: who the process is and what it may do, and calls that ask for it."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.check.draw import MINUS_ONE, PAGE, Draw, call
from vmalab.check.moves.anonymous import map_alike
from vmalab.check.moves.other_calls import lock
from vmalab.linux.include.uapi import mman as m
from vmalab.linux.include.uapi.capability import (
    _LINUX_CAPABILITY_VERSION_1,
    _LINUX_CAPABILITY_VERSION_3,
    CAP_IPC_LOCK,
    CAP_IPC_OWNER,
    CAP_SETUID,
    CAP_SYS_ADMIN,
    CAP_SYS_NICE,
    CAP_SYS_PTRACE,
    CAP_SYS_RAWIO,
)
from vmalab.linux.include.uapi.mempolicy import MPOL_DEFAULT, MPOL_MF_MOVE_ALL
from vmalab.linux.include.uapi.prctl import (
    PR_CAPBSET_DROP,
    PR_CAPBSET_READ,
    PR_GET_KEEPCAPS,
    PR_GET_SECUREBITS,
    PR_SET_KEEPCAPS,
    PR_SET_SECUREBITS,
)
from vmalab.linux.include.uapi.resource import RLIMIT_MEMLOCK
from vmalab.linux.include.uapi.shm import IPC_CREAT, IPC_PRIVATE, IPC_RMID, SHM_LOCK, SHM_UNLOCK
from vmalab.targets.real.settings import CHANGING_CAPS

_NOBODY: Final = 65534
_SAME: Final = 0xFFFFFFFF
# More often somebody who can come back than one who cannot.
_IDS: Final = (0, 0, _NOBODY, _NOBODY, _SAME, _SAME)
# KEEP_CAPS and NOROOT; those of scripts, with and without a lock; one that there is not.
_SECUREBITS: Final = (0, 0, 4, 4, 4, 1, 0x100, 0x104, 0x400, 0x500, 0x300, 1 << 13)
_ASKED_FOR: Final = (
    CAP_IPC_LOCK,
    CAP_IPC_LOCK,
    CAP_IPC_OWNER,
    CAP_SYS_ADMIN,
    CAP_SYS_NICE,
    CAP_SYS_PTRACE,
    CAP_SYS_RAWIO,
    CAP_SETUID,
)


def become(s: Draw) -> Call:
    """Set some of the four ids of the user, or of the group."""
    if not s.abilities.privileged:
        return lock(s)
    whose = "u" if s.chance(75) else "g"
    how = s.below(8)
    if how < 4:
        kept = s.pick((0, 0, 0, _SAME, _NOBODY))
        return call(f"setres{whose}id", s.pick(_IDS), s.pick(_IDS), kept)
    if how < 6:
        return call(f"setre{whose}id", s.pick((0, _SAME, _SAME)), s.pick(_IDS))
    if how < 7:
        return call(f"setfs{whose}id", s.pick(_IDS))
    return call(f"set{whose}id", s.pick((0, 0, 0, _NOBODY)))


def change_capabilities(s: Draw) -> Call:
    """Take capabilities out of those in force, or back, or give one up for good."""
    allowed = CHANGING_CAPS if s.chance(85) else CHANGING_CAPS & ~(1 << s.pick(_ASKED_FOR))
    effective = allowed & ~(1 << s.pick(_ASKED_FOR)) if s.chance(70) else allowed
    if s.chance(4):
        effective |= 1 << 24
    version = _LINUX_CAPABILITY_VERSION_3 if s.chance(95) else _LINUX_CAPABILITY_VERSION_1
    header = {"version": version, "pid": 0}
    sets = {"effective": effective, "permitted": allowed, "inheritable": 0}
    return call("capset", mem={0: header, 1: sets})


def change_securebits(s: Draw) -> Call:
    """Keep capabilities when the user changes, or ask for such settings."""
    how = s.below(6)
    if how < 2:
        return call("prctl", PR_SET_KEEPCAPS, s.pick((0, 1, 1, 2)))
    if how == 2:
        return call("prctl", s.pick((PR_GET_KEEPCAPS, PR_GET_SECUREBITS)))
    if how == 3:
        return call("prctl", PR_SET_SECUREBITS, s.pick(_SECUREBITS))
    asked = s.pick((*_ASKED_FOR, 99))
    return call("prctl", PR_CAPBSET_DROP if s.chance(10) else PR_CAPBSET_READ, asked)


def lock_more_than_allowed(s: Draw) -> Call:
    """Lower the limit of locked memory, or lock memory that was never touched."""
    if s.chance(30):
        limits = {"rlim_cur": s.pick((0, 0, 1, 4, 16)) * PAGE, "rlim_max": 8 << 20}
        return call("prlimit64", 0, RLIMIT_MEMLOCK, 0, 0, mem={2: limits})
    if s.chance(30):
        flags = m.MAP_PRIVATE | m.MAP_ANONYMOUS | m.MAP_FIXED | m.MAP_LOCKED
        return call("mmap", *s.range(), m.PROT_READ | m.PROT_WRITE, flags, MINUS_ONE, 0)
    if s.chance(20):
        return call("mlockall", m.MCL_CURRENT | m.MCL_ONFAULT)
    return call("mlock2", *s.mapped_range(), s.pick((0, m.MLOCK_ONFAULT)))


def use_segment(s: Draw) -> Call:
    """Make, lock, unlock or remove a segment that may be another user's."""
    if not s.abilities.ipc:
        return map_alike(s)
    if not s.segments or (len(s.segments) < 6 and s.chance(20)):
        mode = s.pick((0o600, 0o640, 0o660, 0o604, 0o606, 0o400, 0))
        return call("shmget", IPC_PRIVATE, s.pick((1, 2, 4)) * PAGE, IPC_CREAT | mode)
    segment = s.pick(s.segments)
    if s.chance(10):
        return call("shmctl", segment, IPC_RMID)
    return call("shmctl", segment, s.pick((SHM_LOCK, SHM_LOCK, SHM_UNLOCK)))


def move_all(s: Draw) -> Call:
    """mbind that would move pages of others too, which needs a capability."""
    if not s.abilities.numa:
        return lock(s)
    return call("mbind", *s.mapped_range(), MPOL_DEFAULT, 0, 0, MPOL_MF_MOVE_ALL)
