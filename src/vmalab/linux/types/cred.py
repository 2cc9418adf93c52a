# SPDX-License-Identifier: GPL-2.0-or-later
"""Credentials: who a task is, and what it may do besides.

Mirrors struct cred and struct user_namespace (include/linux/cred.h, user_namespace.h). Ids are
those of the initial user namespace, where they are known at all.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import mypyc_attr

from vmalab.linux.include.uapi.capability import CAP_LAST_CAP

# Every capability, a bit each.
CAP_FULL_SET: Final = (1 << (CAP_LAST_CAP + 1)) - 1


@final
@mypyc_attr(native_class=True)
class UserNamespace:
    """struct user_namespace: its parent (None: the initial one), depth, and its maker's euid."""

    def __init__(self, parent: UserNamespace | None = None, owner: int = 0) -> None:
        self.parent: UserNamespace | None = parent
        self.level: int = 0 if parent is None else parent.level + 1
        self.owner: int = owner


INIT_USER_NS: Final = UserNamespace()


@final
@mypyc_attr(native_class=True)
class Cred:
    """struct cred: the ids and the capabilities of one task; root's to begin with.

    Sets of capabilities have a bit each. Each task has its own: the kernel shares them, and makes
    a copy of what it changes. known: whether a recording tells of all that changes them; where it
    does not, they are what is supposed.
    """

    def __init__(self) -> None:
        self.uid: int = 0
        self.euid: int = 0
        self.suid: int = 0
        self.fsuid: int = 0
        self.gid: int = 0
        self.egid: int = 0
        self.sgid: int = 0
        self.fsgid: int = 0
        self.groups: list[int] = []
        self.securebits: int = 0
        self.cap_inheritable: int = 0
        self.cap_permitted: int = CAP_FULL_SET
        self.cap_effective: int = CAP_FULL_SET
        self.cap_bset: int = CAP_FULL_SET
        self.cap_ambient: int = 0
        self.user_ns: UserNamespace = INIT_USER_NS
        self.known: bool = True

    def copy(self) -> Cred:
        """Return the same credentials for another task (`copy_creds`)."""
        new = Cred()
        new.uid, new.euid, new.suid, new.fsuid = self.uid, self.euid, self.suid, self.fsuid
        new.gid, new.egid, new.sgid, new.fsgid = self.gid, self.egid, self.sgid, self.fsgid
        new.groups = self.groups
        new.securebits = self.securebits
        new.cap_inheritable, new.cap_permitted = self.cap_inheritable, self.cap_permitted
        new.cap_effective, new.cap_bset = self.cap_effective, self.cap_bset
        new.cap_ambient = self.cap_ambient
        new.user_ns = self.user_ns
        new.known = self.known
        return new

    def set_uids(self, uid: int) -> None:
        """Set all four user ids; capabilities stay."""
        self.uid = self.euid = self.suid = self.fsuid = uid

    def set_gids(self, gid: int) -> None:
        """Set all four group ids."""
        self.gid = self.egid = self.sgid = self.fsgid = gid

    def in_group_p(self, gid: int) -> bool:
        """Tell whether a group is among the task's."""
        return gid == self.fsgid or gid in self.groups

    def cap_raised(self, cap: int) -> bool:
        """Tell whether a capability is effective, in the task's own user namespace."""
        return self.cap_effective >> cap & 1 != 0

    def cap_capable(self, target: UserNamespace, cap: int) -> bool:
        """Tell whether a capability counts for what belongs to a user namespace (`cap_capable`).

        Who made a namespace has all capabilities in it.
        """
        ns = target
        while ns is not self.user_ns:
            parent = ns.parent
            if parent is None or ns.level <= self.user_ns.level:
                return False
            if parent is self.user_ns and ns.owner == self.euid:
                return True
            ns = parent
        return self.cap_raised(cap)
