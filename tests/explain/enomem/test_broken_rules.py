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
        "not a multiple of the page size",
    ),
    "length": (
        ["mmap(NULL, 0, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = -1 EINVAL (Invalid)"],
        "length",
        "must not be 0",
    ),
    "type": (
        ["mmap(NULL, 4096, PROT_READ, 0x20 /* MAP_??? */, -1, 0) = -1 EINVAL (Invalid)"],
        "flags",
        "neither MAP_SHARED nor MAP_PRIVATE",
    ),
    "fd": (
        ["mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 77, 0) = -1 EBADF (Bad file descriptor)"],
        "fd",
        "not an open descriptor, and MAP_ANONYMOUS is not set",
    ),
    "mode of the descriptor": (
        [
            'openat(AT_FDCWD, "/x", O_RDONLY) = 3',
            "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3, 0) = -1 EACCES (Permission)",
        ],
        "fd",
        "not open for writing, as MAP_SHARED with PROT_WRITE needs",
    ),
    "mprotect of a file": (
        [
            'openat(AT_FDCWD, "/x", O_RDONLY) = 3',
            f"mmap(NULL, 4096, PROT_READ, MAP_SHARED, 3, 0) = {A + 4096:#x}",
            f"mprotect({A + 4096:#x}, 4096, PROT_READ|PROT_WRITE) = -1 EACCES (Permission)",
        ],
        "prot",
        "the file was not opened for that, or must not be executed: the mapping at 0x7f00000ff000",
    ),
    "mprotect's address": (
        ["mprotect(0x1001, 4096, PROT_READ) = -1 EINVAL (Invalid argument)"],
        "addr",
        "not a multiple of the page size",
    ),
    "advice": (
        [MMAP, f"madvise({A:#x}, 4096, 0x63 /* MADV_??? */) = -1 EINVAL (Invalid argument)"],
        "advice",
        "unknown advice",
    ),
    "advice on locked memory": (
        [
            MMAP,
            f"mlock({A:#x}, 8192) = 0",
            f"madvise({A:#x}, 8192, MADV_DONTNEED) = -1 EINVAL (Invalid argument)",
        ],
        "advice",
        "must not be locked or of a device: the mapping at 0x7f00000fe000",
    ),
    "mremap of nothing": (
        ["mremap(0x1000000, 4096, 8192, MREMAP_MAYMOVE) = -1 EFAULT (Bad address)"],
        "old_address",
        "nothing is mapped at 0x1000000",
    ),
    "mremap of two": (
        [MMAP, f"mremap({A:#x}, 12288, 16384, MREMAP_MAYMOVE) = -1 EFAULT (Bad address)"],
        "old_address",
        "the source goes on beyond its mapping, which ends at 0x7f0000100000",
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
        "the range ends beyond the end of the address space",
    ),
    "msync": (
        ["msync(0x1000, 4096, MS_ASYNC|MS_SYNC) = -1 EINVAL (Invalid argument)"],
        "flags",
        "MS_ASYNC together with MS_SYNC",
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_the_rule_that_was_broken(make: Make, name: str) -> None:
    calls, argument, why = RULES[name]
    found = found_in(make(log_of(*calls), None, meta=machine()))
    [refused] = found.refused
    assert (refused.verdict.check, refused.argument) == (ARGUMENT, argument)
    assert refused.verdict.why == why
