# SPDX-License-Identifier: GPL-2.0-or-later
"""Reasons for refusals that are told by call and errno alone, without looking at the arguments."""

from dataclasses import dataclass
from typing import Final

from vmalab.linux.include.uapi import errno as e


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that a call broke. argument: its name in the manual page, "" for no single one."""

    argument: str
    why: str


# By call.
TOLD: Final[dict[tuple[str, int], Broken]] = {
    ("mbind", e.EFAULT): Broken("addr", "nothing is mapped in part of the range"),
    ("mbind", e.EINVAL): Broken("mode", "the mode, its flags or the nodes cannot be"),
    ("mbind", e.EIO): Broken("flags", "MPOL_MF_STRICT, and a page is on another node"),
    ("mbind", e.EPERM): Broken("flags", "MPOL_MF_MOVE_ALL takes CAP_SYS_NICE"),
    ("set_mempolicy", e.EINVAL): Broken("mode", "the mode, its flags or the nodes cannot be"),
    ("get_mempolicy", e.EINVAL): Broken("flags", "the flags, or what they ask for, cannot be"),
    ("get_mempolicy", e.EFAULT): Broken("addr", "nothing is mapped there, or no result fits there"),
    ("set_mempolicy_home_node", e.EINVAL): Broken("home_node", "the node, or the range, cannot be"),
    ("remap_file_pages", e.EINVAL): Broken(
        "addr", "the range is not one run of shared mappings of one file, or prot is not 0"
    ),
    ("shmat", e.EINVAL): Broken(
        "shmaddr", "no such segment, an address that is not aligned, or something mapped there"
    ),
    ("shmat", e.EACCES): Broken("shmid", "the segment's permissions do not allow it"),
    ("shmdt", e.EINVAL): Broken("shmaddr", "no segment is attached at that address"),
    ("pkey_alloc", e.ENOSPC): Broken("", "no protection key is left, or the machine has none"),
    ("pkey_alloc", e.EINVAL): Broken("flags", "flags must be 0, and the access rights known ones"),
    ("process_madvise", e.EINVAL): Broken("advice", "the advice, or a range, cannot be"),
    ("pkey_free", e.EINVAL): Broken("pkey", "it is no allocated protection key"),
    ("pkey_mprotect", e.EINVAL): Broken("prot", "PROT_GROWSDOWN on memory that does not grow"),
    ("mprotect", e.EINVAL): Broken("prot", "PROT_GROWSUP on memory that does not grow"),
    ("prctl", e.EINVAL): Broken("option", "the option, or a value it was given, cannot be"),
    ("prctl", e.EBADF): Broken("addr", "PR_SET_VMA names anonymous memory; this is a file's"),
    ("prctl", e.EPERM): Broken("option", "it takes a capability, or cannot be taken back"),
    ("prctl", e.EFAULT): Broken("addr", "nothing is mapped there"),
    ("ioctl", e.EINVAL): Broken("range", "userfaultfd: the range or the mode cannot be"),
    ("ioctl", e.EBUSY): Broken("range", "another userfaultfd has part of the range"),
    ("ioctl", e.ENOENT): Broken(
        "range", "userfaultfd: the range is not, or not wholly, registered"
    ),
    ("ioctl", e.EEXIST): Broken("range", "userfaultfd: there is a page already"),
    ("ioctl", e.EPERM): Broken("request", "the file is sealed, or the right is missing"),
    ("ioctl", e.EFAULT): Broken("argp", "the argument cannot be read, or the source has no page"),
    ("io_setup", e.EINVAL): Broken("nr_events", "it is 0, or too large"),
    ("io_destroy", e.EINVAL): Broken("ctx_id", "there is no such context"),
    ("clone", e.EINVAL): Broken("flags", "flags that exclude each other"),
    ("clone3", e.EINVAL): Broken("cl_args", "flags that exclude each other, or a bad size"),
}
# For any call.
GENERAL: Final[dict[int, str]] = {
    e.EBADF: "it is no open descriptor of the right kind",
    e.EFAULT: "a pointer, or a range, leads to nothing that is mapped",
    e.EINVAL: "an argument cannot be",
    e.EPERM: "a right is missing, or the object forbids it",
    e.EACCES: "permissions do not allow it",
    e.ENOSYS: "this kernel has no such call, or not this form of it",
    e.ENOMEM: "memory was refused",
    e.EAGAIN: "a limit, or memory, was short at that moment",
    e.ENOTTY: "the descriptor does not know the request",
    e.ESRCH: "there is no such process",
    e.EINTR: "a signal broke it off",
}
