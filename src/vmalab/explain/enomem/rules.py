# SPDX-License-Identifier: GPL-2.0-or-later
"""Which rule a refused call broke where no limit was at stake: the argument, and a sentence.

Each call has its rules in the order in which the kernel looks, with the errno that it answers. The
first one of the right errno that the call breaks is told.
"""

from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.symbols import ERRNO_NAME
from vmalab.explain.enomem.arguments import (
    Rule,
    advice_unknown,
    advised,
    bad_pkey,
    bad_prot,
    beyond,
    both_syncs,
    far_beyond,
    fixed_unaligned,
    growsdown,
    huge_alignment,
    hugetlb_of_file,
    locked_memory,
    mlockall_flags,
    mmap_length,
    never_so,
    no_fd,
    no_type,
    noexec_or_sealed,
    not_shared,
    policy_flags,
    policy_mode,
    said,
    unaligned,
    unknown_bits,
    unknown_mmap_flags,
    wraps,
    wrong_mode,
    zero,
)
from vmalab.explain.enomem.by_errno import GENERAL, TOLD, Broken
from vmalab.explain.enomem.mremap_rules import mremap_rules
from vmalab.linux.include.uapi import errno as e
from vmalab.linux.include.uapi import mman as m
from vmalab.linux.types.mm_types import Mm

_ADDR_LEN: Final[tuple[Rule, ...]] = (
    (e.EINVAL, "addr", unaligned(0)),
    (e.EINVAL, "length", wraps),
)
_MMAP: Final[tuple[Rule, ...]] = (
    (e.EINVAL, "offset", unaligned(5)),
    (e.EBADF, "fd", no_fd),
    (e.EINVAL, "flags", hugetlb_of_file),
    (e.EINVAL, "length", mmap_length),
    (e.EOVERFLOW, "offset", said("offset and length reach beyond the largest file")),
    (e.EINVAL, "addr", fixed_unaligned),
    (e.EINVAL, "length", huge_alignment),
    (e.EOPNOTSUPP, "flags", unknown_mmap_flags),
    (e.EACCES, "fd", wrong_mode),
    (e.EINVAL, "flags", no_type),
    (e.EPERM, "prot", noexec_or_sealed),
    (e.ENODEV, "fd", said("what the descriptor stands for cannot be mapped")),
    (e.EINVAL, "flags", growsdown),
    (e.EINVAL, "fd", said("the file, or its driver, refuses such a mapping")),
)
_MPROTECT: Final[tuple[Rule, ...]] = (
    (e.EINVAL, "addr", unaligned(0)),
    (e.EINVAL, "prot", bad_prot),
    (e.EACCES, "prot", never_so),
)
_MLOCK: Final[tuple[Rule, ...]] = (
    (e.EINVAL, "length", wraps),
    (e.EAGAIN, "length", said("pages of the range could not be had")),
)
_RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "mmap": _MMAP,
    "munmap": (
        (e.EINVAL, "length", far_beyond),
        (e.EINVAL, "addr", unaligned(0)),
        (e.EINVAL, "length", beyond),
        (e.EINVAL, "length", zero(1)),
        (e.EINVAL, "", said("the range would cut a mapping that cannot be cut there")),
    ),
    "mprotect": _MPROTECT,
    "pkey_mprotect": (*_MPROTECT, (e.EINVAL, "pkey", bad_pkey)),
    "madvise": (
        (e.EINVAL, "advice", advice_unknown),
        *_ADDR_LEN,
        (e.EINVAL, "advice", advised),
        (e.EACCES, "advice", not_shared),
        (e.EPERM, "", said("the file is sealed against writing")),
        (e.EBADF, "addr", said("MADV_WILLNEED on anonymous memory takes a kernel with swap")),
        (e.EFAULT, "addr", said("the range has guards, or lies beyond the end of its file")),
    ),
    "mlock": _MLOCK,
    "mlock2": ((e.EINVAL, "flags", unknown_bits(2, m.MLOCK_ONFAULT)), *_MLOCK),
    "munlock": _MLOCK,
    "mlockall": ((e.EINVAL, "flags", mlockall_flags),),
    "msync": (
        (e.EINVAL, "flags", unknown_bits(2, m.MS_ASYNC | m.MS_INVALIDATE | m.MS_SYNC)),
        (e.EINVAL, "addr", unaligned(0)),
        (e.EINVAL, "flags", both_syncs),
        (e.EBUSY, "flags", locked_memory),
    ),
    "mincore": (
        (e.EINVAL, "addr", unaligned(0)),
        (e.EFAULT, "vec", said("the result cannot be written there")),
    ),
    "mseal": (
        (e.ENOSYS, "", said("this kernel has no mseal")),
        (e.EINVAL, "flags", unknown_bits(2, 0)),
        *_ADDR_LEN,
    ),
    "mbind": (
        (e.EINVAL, "mode", policy_mode),
        (e.EINVAL, "flags", policy_flags),
        (e.EINVAL, "addr", unaligned(0)),
    ),
}


def broken_rule(call: Call, mm: Mm) -> Broken:
    """The rule that made a call fail with the errno that it has answered; mm: as it was then."""
    errno = -(call.ret or 0)
    rules = _RULES.get(call.name, ())
    if call.name == "mremap":
        rules = mremap_rules(mm)
    for number, argument, breaks in rules:
        if number == errno:
            why = breaks(call, mm)
            if why:
                return Broken(argument, why)
    told = TOLD.get((call.name, errno))
    if told is not None:
        return told
    return Broken("", GENERAL.get(errno, f"refused with {ERRNO_NAME.get(errno, str(errno))}"))
