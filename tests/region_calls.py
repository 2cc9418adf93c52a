# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws logs of programs that map, change and unmap memory in one region, with success."""

import random
from collections.abc import Iterator
from typing import Final

BASE: Final = 0x7F0000000000
HEAP: Final = 0x555555559000
PAGE: Final = 4096
_FIXED: Final = "MAP_PRIVATE|MAP_FIXED"
_PROTECTIONS: Final = ("PROT_NONE", "PROT_READ", "PROT_READ|PROT_WRITE")
_ADVICE: Final = ("MADV_DONTFORK", "MADV_DOFORK", "MADV_DONTNEED")


def region_calls(seed: str, calls: int, *, forks: bool = False) -> str:
    """Return a log of at least so many calls. forks: halfway the program gets a child, 2."""
    return "".join(_lines(random.Random(seed), calls, forks))


def _lines(numbers: random.Random, calls: int, forks: bool) -> Iterator[str]:
    yield f"1 brk(NULL) = {HEAP:#x}\n"
    yield '1 openat(AT_FDCWD, "/lib/a.so", O_RDONLY) = 3\n'
    yield f"1 {_mapped(BASE, 64 * PAGE, 'PROT_READ')}"
    tids, end = [1], HEAP
    for number in range(calls):
        tid = numbers.choice(tids)
        at, size = BASE + numbers.randrange(60) * PAGE, numbers.randrange(1, 6) * PAGE
        what = numbers.randrange(14)
        if what == 0 and tid == 1:
            end = max(end + numbers.randrange(-2, 5) * PAGE, HEAP + PAGE)
            yield f"1 brk({end:#x}) = {end:#x}\n"
        elif what == 1:
            yield f'{tid} openat(AT_FDCWD, "/lib/b.so", O_RDONLY) = 4\n{tid} close(4) = 0\n'
        elif what < 4:
            yield f"{tid} munmap({at:#x}, {size}) = 0\n"
        elif what == 4:
            yield f"{tid} mmap({at:#x}, {size}, PROT_READ, {_FIXED}, 3, {size:#x}) = {at:#x}\n"
        else:
            yield f"{tid} {_mapped(at, size, numbers.choice(_PROTECTIONS))}"
            part = size // 2 & -PAGE
            if what < 7:
                yield f"{tid} mprotect({at:#x}, {part}, {numbers.choice(_PROTECTIONS)}) = 0\n"
            elif what == 7:
                yield f"{tid} madvise({at:#x}, {part}, {numbers.choice(_ADVICE)}) = 0\n"
            elif what == 8:
                there = BASE + (64 + number * 8) * PAGE
                move = f"MREMAP_MAYMOVE|MREMAP_FIXED, {there:#x}"
                yield f"{tid} mremap({at:#x}, {PAGE}, {size}, {move}) = {there:#x}\n"
                if numbers.randrange(2):
                    yield f"{tid} munmap({there:#x}, {size}) = 0\n"
        if forks and number == calls // 2:
            yield "1 fork() = 2\n"
            tids.append(2)


def _mapped(at: int, size: int, prot: str) -> str:
    return f"mmap({at:#x}, {size}, {prot}, {_FIXED}|MAP_ANONYMOUS, -1, 0) = {at:#x}\n"
