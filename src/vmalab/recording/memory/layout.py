# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the kernel's structs have what is read of them, by the types that the kernel describes."""

from typing import Final, Protocol, final

from vmalab.calls.errors import ReadError


class Types(Protocol):
    """The types of one kernel."""

    def offset(self, name: str, path: str) -> int | None:
        """Return where a struct has a member, in bytes; None where it has none."""

    def size(self, name: str) -> int:
        """Return the bytes of a struct."""


# What no kernel since 6.1 is without, and what depends on its configuration.
_NEEDED: Final = {
    "task_struct": ("tasks", "pid", "comm", "mm"),
    "mm_struct": ("mm_mt.ma_root", "map_count", "start_brk", "brk", "start_stack"),
    "vm_area_struct": (
        "vm_start",
        "vm_end",
        "vm_flags",
        "vm_pgoff",
        "vm_file",
        "vm_ops",
        "vm_private_data",
        "anon_vma",
        "anon_vma_chain",
    ),
    "vm_operations_struct": ("close",),
    "vm_special_mapping": ("name",),
    "file": ("f_inode", "f_path.dentry", "f_path.mnt"),
    "inode": ("i_ino", "i_sb"),
    "super_block": ("s_dev",),
    "dentry": ("d_name.name", "d_parent", "d_hash.pprev"),
    "mount": ("mnt", "mnt_parent", "mnt_mountpoint"),
    "vfsmount": ("mnt_root",),
    "maple_range_64": ("pivot", "slot"),
    "maple_arange_64": ("pivot", "slot"),
}
_OPTIONAL: Final = {
    "mm_struct": ("context.vdso",),
    "vm_area_struct": (
        "vm_policy",
        "vm_userfaultfd_ctx.ctx",
        "anon_name",
        "__vm_anon_pgoff_lo",
        "__vm_anon_pgoff_hi",
    ),
    "mempolicy": ("mode", "flags", "nodes.bits", "home_node"),
    "anon_vma_name": ("name",),
}


@final
class StructLayout:
    """The offsets that are read, in bytes. Indexed by struct and member: `at["inode", "i_sb"]`."""

    def __init__(self, types: Types, path: str) -> None:
        """Errors: ReadError, which names `path`, for a kernel without what is needed."""
        self._at: dict[tuple[str, str], int] = {}
        for name, members in _NEEDED.items():
            for member in members:
                at = types.offset(name, member)
                if at is None:
                    why = f"this kernel's struct {name} has no {member}: 6.1 and later are read"
                    raise ReadError(path, 0, why)
                self._at[name, member] = at
        for name, members in _OPTIONAL.items():
            for member in members:
                at = types.offset(name, member)
                if at is not None:
                    self._at[name, member] = at
        self.vma_size = types.size("vm_area_struct")

    def __getitem__(self, key: tuple[str, str]) -> int:
        return self._at[key]

    def get(self, name: str, member: str) -> int | None:
        """Return where a struct has a member that not every kernel has; None without it."""
        return self._at.get((name, member))
