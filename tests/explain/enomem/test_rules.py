# SPDX-License-Identifier: GPL-2.0-or-later
"""A call that broke a rule is told which one, and which argument is to blame."""

import pytest

from vmalab.explain.enomem.failed_calls import ARGUMENT

from ...small_recordings import Make
from .test_failed_calls import MMAP, A, found_in, log_of, machine

# name: (calls, argument, what is said).
RULES: dict[str, tuple[list[str], str, str]] = {
    "offset": (
        ["mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0x800) = -1 EINVAL (Invalid)"],
        "offset",
        "0x800 is no multiple of the page size",
    ),
    "length": (
        ["mmap(NULL, 0, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = -1 EINVAL (Invalid)"],
        "length",
        "it is 0",
    ),
    "type": (
        ["mmap(NULL, 4096, PROT_READ, 0x20 /* MAP_??? */, -1, 0) = -1 EINVAL (Invalid)"],
        "flags",
        "it has neither MAP_SHARED nor MAP_PRIVATE",
    ),
    "fd": (
        ["mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 77, 0) = -1 EBADF (Bad file descriptor)"],
        "fd",
        "it is no open descriptor, and MAP_ANONYMOUS is not set",
    ),
    "mode of the descriptor": (
        [
            'openat(AT_FDCWD, "/x", O_RDONLY) = 3',
            "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3, 0) = -1 EACCES (Permission)",
        ],
        "fd",
        "MAP_SHARED and PROT_WRITE take a descriptor that is open for writing",
    ),
    "mprotect of a file": (
        [
            'openat(AT_FDCWD, "/x", O_RDONLY) = 3',
            f"mmap(NULL, 4096, PROT_READ, MAP_SHARED, 3, 0) = {A + 4096:#x}",
            f"mprotect({A + 4096:#x}, 4096, PROT_READ|PROT_WRITE) = -1 EACCES (Permission)",
        ],
        "prot",
        "the mapping at 0x7f00000ff000 may never be w: its file was not opened for that, or lies "
        "where nothing is executed",
    ),
    "mprotect's address": (
        ["mprotect(0x1001, 4096, PROT_READ) = -1 EINVAL (Invalid argument)"],
        "addr",
        "0x1001 is no multiple of the page size",
    ),
    "advice": (
        [MMAP, f"madvise({A:#x}, 4096, 0x63 /* MADV_??? */) = -1 EINVAL (Invalid argument)"],
        "advice",
        "this kernel has no such advice",
    ),
    "advice on locked memory": (
        [
            MMAP,
            f"mlock({A:#x}, 8192) = 0",
            f"madvise({A:#x}, 8192, MADV_DONTNEED) = -1 EINVAL (Invalid argument)",
        ],
        "advice",
        "the mapping at 0x7f00000fe000 is locked, of a device, or of huge pages",
    ),
    "mremap of nothing": (
        ["mremap(0x1000000, 4096, 8192, MREMAP_MAYMOVE) = -1 EFAULT (Bad address)"],
        "old_address",
        "nothing is mapped at 0x1000000",
    ),
    "mremap of two": (
        [MMAP, f"mremap({A:#x}, 12288, 16384, MREMAP_MAYMOVE) = -1 EFAULT (Bad address)"],
        "old_address",
        "the old range goes on beyond 0x7f0000100000, where the mapping ends: it is several, or "
        "has a hole",
    ),
    "mremap's overlap": (
        [
            MMAP,
            f"mremap({A:#x}, 8192, 8192, MREMAP_MAYMOVE|MREMAP_FIXED, {A + 4096:#x}) = "
            "-1 EINVAL (Invalid argument)",
        ],
        "new_address",
        "source and destination overlap",
    ),
    "munmap's end": (
        ["munmap(0x7ffffffff000, 4096) = -1 EINVAL (Invalid argument)"],
        "length",
        "the range ends beyond the address space, which ends at 0x7ffffffff000",
    ),
    "msync": (
        ["msync(0x1000, 4096, MS_ASYNC|MS_SYNC) = -1 EINVAL (Invalid argument)"],
        "flags",
        "MS_ASYNC and MS_SYNC exclude each other",
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_the_rule_that_was_broken(make: Make, name: str) -> None:
    calls, argument, why = RULES[name]
    found = found_in(make(log_of(*calls), None, meta=machine()))
    [refused] = found.refused
    assert (refused.verdict.check, refused.argument) == (ARGUMENT, argument)
    assert refused.verdict.why == why
