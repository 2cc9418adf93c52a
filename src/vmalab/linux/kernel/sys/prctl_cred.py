# SPDX-License-Identifier: GPL-2.0-or-later
"""The options of prctl that concern credentials and filters of calls.

Mirrors kernel/sys.c and cap_task_prctl() of security/commoncap.c (v6.18).
"""

from typing import Final

from vmalab.linux.arch.x86.entry.syscalls.args import SyscallArgs
from vmalab.linux.include.uapi.capability import SECBIT_KEEP_CAPS
from vmalab.linux.include.uapi.errno import EINVAL
from vmalab.linux.include.uapi.prctl import (
    PR_CAP_AMBIENT,
    PR_CAPBSET_DROP,
    PR_CAPBSET_READ,
    PR_GET_KEEPCAPS,
    PR_GET_SECUREBITS,
    PR_SET_KEEPCAPS,
    PR_SET_SECCOMP,
    PR_SET_SECUREBITS,
)
from vmalab.linux.kernel.seccomp import prctl_set_seccomp
from vmalab.linux.security.commoncap import (
    cap_prctl_ambient,
    cap_prctl_drop,
    cap_prctl_keepcaps,
    cap_prctl_securebits,
)
from vmalab.linux.types.cred import CAP_FULL_SET
from vmalab.linux.types.task import Task

CRED_OPTIONS: Final = frozenset(
    (
        PR_CAP_AMBIENT,
        PR_CAPBSET_DROP,
        PR_CAPBSET_READ,
        PR_GET_KEEPCAPS,
        PR_GET_SECUREBITS,
        PR_SET_KEEPCAPS,
        PR_SET_SECCOMP,
        PR_SET_SECUREBITS,
    )
)


def prctl_cred(task: Task, option: int, args: SyscallArgs) -> int:
    """Carry out one of `CRED_OPTIONS`: its result or -errno.

    Errors: EINVAL (a value that there is not, arguments that must be 0), EPERM.
    """
    cred = task.cred
    if option == PR_SET_SECCOMP:
        return prctl_set_seccomp(task, args.a1)
    if option == PR_SET_KEEPCAPS:
        return cap_prctl_keepcaps(cred, args.a1)
    if option == PR_GET_KEEPCAPS:
        return int(cred.securebits & SECBIT_KEEP_CAPS != 0)
    if option == PR_CAPBSET_DROP:
        return cap_prctl_drop(cred, args.a1)
    if option == PR_CAPBSET_READ:
        return cred.cap_bset >> args.a1 & 1 if CAP_FULL_SET >> min(args.a1, 64) & 1 else -EINVAL
    if option == PR_SET_SECUREBITS:
        return cap_prctl_securebits(cred, args.a1, task.machine.config.features)
    if option == PR_GET_SECUREBITS:
        return cred.securebits
    if args.a3 | args.a4 != 0:
        return -EINVAL
    return cap_prctl_ambient(cred, args.a1, args.a2)
