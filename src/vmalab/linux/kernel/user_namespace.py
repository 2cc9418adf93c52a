# SPDX-License-Identifier: GPL-2.0-or-later
"""User namespaces: in one of its own a task has all capabilities, and none outside.

Mirrors kernel/user_namespace.c (v6.18). How ids are mapped is not known here.
"""

from typing import Final

from vmalab.linux.include.uapi.errno import ENOSPC
from vmalab.linux.types.cred import CAP_FULL_SET, Cred, UserNamespace
from vmalab.linux.types.file import File

# How deep user namespaces nest below the initial one.
MAX_LEVEL: Final = 32


def create_user_ns(cred: Cred) -> int:
    """Let a task be in a new user namespace, below the one that it is in.

    Returns: 0, or -ENOSPC with nothing changed (too deep).  Kernel: create_user_ns(),
    set_cred_user_ns().
    """
    if cred.user_ns.level > MAX_LEVEL:
        return -ENOSPC
    cred.user_ns = UserNamespace(cred.user_ns, cred.euid)
    cred.securebits = 0
    cred.cap_inheritable = cred.cap_ambient = 0
    cred.cap_permitted = cred.cap_effective = cred.cap_bset = CAP_FULL_SET
    return 0


def is_user_ns(file: File) -> bool:
    """Tell whether a file stands for a user namespace."""
    return file.path.startswith("/proc/") and file.path.endswith("/ns/user")
