# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of capabilities when ids change, when a program begins, and when they are set.

Mirrors security/commoncap.c (v6.18).
"""

from typing import Final

from vmalab.linux.include.features import Features
from vmalab.linux.include.uapi.capability import (
    CAP_CHOWN,
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    CAP_FOWNER,
    CAP_FSETID,
    CAP_LAST_CAP,
    CAP_LINUX_IMMUTABLE,
    CAP_MAC_OVERRIDE,
    CAP_MKNOD,
    CAP_SETPCAP,
    SECBIT_KEEP_CAPS,
    SECBIT_KEEP_CAPS_LOCKED,
    SECBIT_NO_CAP_AMBIENT_RAISE,
    SECBIT_NO_SETUID_FIXUP,
    SECBIT_NOROOT,
    SECBITS_OF_SCRIPTS,
    SECURE_ALL_BITS,
)
from vmalab.linux.include.uapi.errno import EINVAL, EPERM
from vmalab.linux.include.uapi.prctl import (
    PR_CAP_AMBIENT_CLEAR_ALL,
    PR_CAP_AMBIENT_IS_SET,
    PR_CAP_AMBIENT_LOWER,
    PR_CAP_AMBIENT_RAISE,
)
from vmalab.linux.types.cred import Cred

# Those that follow the user id of file accesses.
CAP_FS_SET: Final = (
    1 << CAP_CHOWN
    | 1 << CAP_MKNOD
    | 1 << CAP_DAC_OVERRIDE
    | 1 << CAP_DAC_READ_SEARCH
    | 1 << CAP_FOWNER
    | 1 << CAP_FSETID
    | 1 << CAP_LINUX_IMMUTABLE
    | 1 << CAP_MAC_OVERRIDE
)


def cap_emulate_setxuid(new: Cred, old: Cred) -> None:
    """Let capabilities follow the user ids, which are the new ones already.

    Mutates: new's capabilities, unless SECBIT_NO_SETUID_FIXUP is set.
    Kernel: cap_emulate_setxuid(), by cap_task_fix_setuid().
    """
    if new.securebits & SECBIT_NO_SETUID_FIXUP != 0:
        return
    was_root = 0 in (old.uid, old.euid, old.suid)
    if was_root and 0 not in (new.uid, new.euid, new.suid):
        if new.securebits & SECBIT_KEEP_CAPS == 0:
            new.cap_permitted = new.cap_effective = 0
        new.cap_ambient = 0
    if old.euid == 0 and new.euid != 0:
        new.cap_effective = 0
    if old.euid != 0 and new.euid == 0:
        new.cap_effective = new.cap_permitted


def cap_fix_setfsuid(new: Cred, old: Cred) -> None:
    """Let the capabilities of file accesses follow the id for them (LSM_SETID_FS)."""
    if new.securebits & SECBIT_NO_SETUID_FIXUP != 0:
        return
    if old.fsuid == 0 and new.fsuid != 0:
        new.cap_effective &= ~CAP_FS_SET
    if old.fsuid != 0 and new.fsuid == 0:
        new.cap_effective |= CAP_FS_SET & new.cap_permitted


def cap_capset(cred: Cred, effective: int, permitted: int, inheritable: int) -> int:
    """Set three sets of capabilities: 0, or EPERM for those that the task cannot have."""
    if not cred.cap_raised(CAP_SETPCAP):
        if inheritable & ~(cred.cap_inheritable | cred.cap_permitted) != 0:
            return -EPERM
    if inheritable & ~(cred.cap_inheritable | cred.cap_bset) != 0:
        return -EPERM
    if permitted & ~cred.cap_permitted != 0 or effective & ~permitted != 0:
        return -EPERM
    cred.cap_effective, cred.cap_permitted = effective, permitted
    cred.cap_inheritable = inheritable
    cred.cap_ambient &= permitted & inheritable
    return 0


def cap_bprm_creds_from_file(cred: Cred) -> None:
    """Give a task the capabilities with which a program begins.

    Set-user-ID programs, and capabilities of files, are not known here.
    """
    # What root gets, if it is still root.
    root = cred.securebits & SECBIT_NOROOT == 0
    permitted, effective = 0, False
    if root and 0 in (cred.uid, cred.euid):
        permitted = cred.cap_bset | cred.cap_inheritable
        effective = cred.euid == 0
    cred.suid = cred.fsuid = cred.euid
    cred.sgid = cred.fsgid = cred.egid
    cred.cap_permitted = permitted | cred.cap_ambient
    cred.cap_effective = cred.cap_permitted if effective else cred.cap_ambient
    cred.securebits &= ~SECBIT_KEEP_CAPS


def cap_prctl_drop(cred: Cred, cap: int) -> int:
    """PR_CAPBSET_DROP: 0, EPERM (no CAP_SETPCAP) or EINVAL (no capability)."""
    if not cred.cap_raised(CAP_SETPCAP):
        return -EPERM
    if not 0 <= cap <= CAP_LAST_CAP:
        return -EINVAL
    cred.cap_bset &= ~(1 << cap)
    return 0


def cap_prctl_keepcaps(cred: Cred, keep: int) -> int:
    """PR_SET_KEEPCAPS: 0, EINVAL (neither 0 nor 1) or EPERM (locked)."""
    if keep > 1:
        return -EINVAL
    if cred.securebits & SECBIT_KEEP_CAPS_LOCKED != 0:
        return -EPERM
    cred.securebits = cred.securebits & ~SECBIT_KEEP_CAPS | (SECBIT_KEEP_CAPS if keep else 0)
    return 0


def cap_prctl_ambient(cred: Cred, command: int, cap: int) -> int:
    """PR_CAP_AMBIENT: 0, 1 (is set), EINVAL (command, capability) or EPERM (cannot be raised)."""
    if command == PR_CAP_AMBIENT_CLEAR_ALL:
        if cap != 0:
            return -EINVAL
        cred.cap_ambient = 0
        return 0
    if not 0 <= cap <= CAP_LAST_CAP:
        return -EINVAL
    bit = 1 << cap
    if command == PR_CAP_AMBIENT_IS_SET:
        return int(cred.cap_ambient & bit != 0)
    if command == PR_CAP_AMBIENT_LOWER:
        cred.cap_ambient &= ~bit
        return 0
    if command != PR_CAP_AMBIENT_RAISE:
        return -EINVAL
    held = cred.cap_permitted & cred.cap_inheritable & bit != 0
    if not held or cred.securebits & SECBIT_NO_CAP_AMBIENT_RAISE != 0:
        return -EPERM
    cred.cap_ambient |= bit
    return 0


def cap_prctl_securebits(cred: Cred, bits: int, features: Features) -> int:
    """PR_SET_SECUREBITS: 0, or EPERM for a bit that is locked or unknown, or no CAP_SETPCAP.

    What concerns scripts alone, which no kernel enforces, can be changed without the capability.
    """
    scripts = SECBITS_OF_SCRIPTS if features.securebits_of_scripts else 0
    known = SECURE_ALL_BITS | scripts
    locks = known << 1
    locked = cred.securebits & locks
    changed = cred.securebits ^ bits
    if locked >> 1 & changed or locked & ~bits or bits & ~(known | locks):
        return -EPERM
    unprivileged = scripts | scripts << 1
    if not cred.cap_raised(CAP_SETPCAP) and (changed == 0 or changed & ~unprivileged):
        return -EPERM
    cred.securebits = bits
    return 0
