# SPDX-License-Identifier: GPL-2.0-or-later
"""Mounted file systems: what of their type and mount options decides how files are mapped."""

from typing import Final, final

from mypy_extensions import mypyc_attr

# Types that are looked for by name.
TMPFS: Final = "tmpfs"
OVERLAYFS: Final = "overlay"
HUGETLBFS: Final = "hugetlbfs"
# Nothing tells the type; and: all that is known is that its files are not aligned.
UNKNOWN_TYPE: Final = ""
UNALIGNED_TYPE: Final = "?"


@final
@mypyc_attr(native_class=True)
class SuperBlock:
    """struct super_block, with the flags of its struct vfsmount."""

    def __init__(self, s_type: str) -> None:
        # As /proc/filesystems names it: "ext4", "overlay", ...; UNKNOWN_TYPE, UNALIGNED_TYPE.
        self.s_type: str = s_type
        # huge= of a tmpfs: "never", "always", "within_size", "advise".
        self.huge: str = "never"
        # The type of the layers of an overlayfs.
        self.layer: str = UNKNOWN_TYPE
        # pagesize= of a hugetlbfs in bytes; 0: the default size.
        self.pagesize: int = 0
        # Mounted noexec; known: whether that is told or has shown.
        self.noexec: bool = False
        self.noexec_known: bool = False

    @property
    def type_known(self) -> bool:
        """Whether the type is told, or has shown in full."""
        return self.s_type not in (UNKNOWN_TYPE, UNALIGNED_TYPE)

    def copy(self) -> "SuperBlock":
        """Return another with the same type and options."""
        other = SuperBlock(self.s_type)
        other.huge = self.huge
        other.layer = self.layer
        other.pagesize = self.pagesize
        other.noexec = self.noexec
        other.noexec_known = self.noexec_known
        return other
