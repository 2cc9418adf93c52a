# SPDX-License-Identifier: GPL-2.0-or-later
"""What `set`, `file` and `crowd` lines arrange on a bench before its layout is built."""

from collections.abc import Callable
from typing import Final

from vmalab.linux.include.config import OVERCOMMIT_ALWAYS, OVERCOMMIT_GUESS, OVERCOMMIT_NEVER
from vmalab.linux.include.features import VERSIONS, Features
from vmalab.linux.include.mm_flags import VM_MAY_FLAGS, VM_READ
from vmalab.linux.include.page import PAGE_SHIFT
from vmalab.linux.include.proc_maps import VM_FLAG_OF_LETTERS
from vmalab.linux.include.uapi import errno
from vmalab.linux.include.uapi.resource import (
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
    RLIMIT_STACK,
)
from vmalab.linux.types.file import mapping_deny_writable
from vmalab.testing.cases.case import Setting
from vmalab.testing.cases.kinds import Kind
from vmalab.testing.cases.owners import CaseFileOps, parse_prepared
from vmalab.testing.cases.picture import MAX_PAGE, Box
from vmalab.testing.cases.workbench import Bench

LIMITS: Final = {
    "rlimit_as": RLIMIT_AS,
    "rlimit_data": RLIMIT_DATA,
    "rlimit_memlock": RLIMIT_MEMLOCK,
    "rlimit_stack": RLIMIT_STACK,
}
MAX_CROWD: Final = 4096
OVERCOMMIT: Final = {
    "always": OVERCOMMIT_ALWAYS,
    "guess": OVERCOMMIT_GUESS,
    "never": OVERCOMMIT_NEVER,
}


def apply_setting(bench: Bench, words: Setting) -> None:
    """Arrange what one line says.  ValueError: what is wrong with it."""
    keyword, *rest = words
    if keyword == "set" and rest and rest[0] in SETTERS:
        SETTERS[rest[0]](bench, rest[1:])
    elif keyword == "set" and len(rest) == 2 and rest[0] in LIMITS:
        bench.seam.limits[LIMITS[rest[0]]] = number(rest[1:]) << PAGE_SHIFT
    elif keyword == "set":
        known = ", ".join([*SETTERS, *LIMITS])
        raise ValueError(f"`set` takes one of {known}, not {' '.join(rest)!r}")
    elif keyword == "file":
        set_file(bench, rest)
    elif keyword == "trees":
        trees_of(words)
    else:
        add_crowd(bench, rest)


def trees_of(words: Setting) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the oldest and the newest version whose own code a case can be run on.

    The model passes it as any version. ValueError: what is wrong with the line.
    """
    keyword, *rest = words
    versions = [(major, minor) for major, minor in VERSIONS]
    known = {f"{major}.{minor}": (major, minor) for major, minor in versions}
    if len(rest) < 3 or rest[0] not in ("from", "to") or rest[1] not in known:
        raise ValueError(f"`{keyword} from X.Y` or `to X.Y`, and why: not {' '.join(rest)!r}")
    if rest[0] == "from":
        return known[rest[1]], versions[-1]
    return versions[0], known[rest[1]]


def number(words: list[str]) -> int:
    """Return the one decimal number that a setting takes."""
    if len(words) != 1 or not words[0].isdecimal() or len(words[0]) > 12:
        raise ValueError(f"a decimal number is needed, not {' '.join(words)!r}")
    return int(words[0])


def page(words: list[str]) -> int:
    """Return the one page that a setting takes, in bytes."""
    try:
        if int(words[0], 16) < MAX_PAGE:
            return int(words[0], 16) << PAGE_SHIFT
        raise ValueError
    except (IndexError, ValueError):
        raise ValueError(f"a hexadecimal page is needed, not {' '.join(words)!r}") from None


def flags(words: list[str]) -> int:
    """Return the bits of VmFlags words."""
    unknown = [word for word in words if word not in VM_FLAG_OF_LETTERS]
    if unknown or not words:
        raise ValueError(f"VmFlags words are needed, not {' '.join(unknown) or 'nothing'!r}")
    return sum(VM_FLAG_OF_LETTERS[word] for word in set(words))


def set_max_map_count(bench: Bench, words: list[str]) -> None:
    """vm.max_map_count."""
    bench.config.max_map_count = number(words)


def set_stack_guard_gap(bench: Bench, words: list[str]) -> None:
    """The guard below growing stacks, in pages."""
    bench.config.stack_guard_gap = number(words) << PAGE_SHIFT


def set_mmap_min_addr(bench: Bench, words: list[str]) -> None:
    """The lowest page that may be mapped."""
    bench.config.mmap_min_addr = page(words)


def set_task_size(bench: Bench, words: list[str]) -> None:
    """The page at which the address space ends."""
    bench.mm.task_size = page(words)


def set_overcommit(bench: Bench, words: list[str]) -> None:
    """vm.overcommit_memory."""
    if len(words) != 1 or words[0] not in OVERCOMMIT:
        raise ValueError(f"overcommit is {', '.join(OVERCOMMIT)}")
    bench.config.overcommit_memory = OVERCOMMIT[words[0]]


def set_commit_limit(bench: Bench, words: list[str]) -> None:
    """The limit of `overcommit never`, in pages, with nothing reserved."""
    bench.config.commit_limit = number(words)
    bench.config.user_reserve_pages = bench.config.admin_reserve_pages = 0


def set_total_ram(bench: Bench, words: list[str]) -> None:
    """Pages of memory, which `overcommit guess` compares a request with."""
    bench.config.total_ram_pages = number(words)


def set_def_flags(bench: Bench, words: list[str]) -> None:
    """Flags that new VMAs get, as after mlockall(MCL_FUTURE)."""
    bench.mm.def_flags = flags(words)


def set_kernel(bench: Bench, words: list[str]) -> None:
    """The kernel version whose properties hold."""
    versions = {f"{major}.{minor}": (major, minor) for major, minor in VERSIONS}
    if len(words) != 1 or words[0] not in versions:
        raise ValueError(f"a kernel is one of {', '.join(versions)}")
    bench.config.release = words[0]
    bench.config.features = Features(versions[words[0]])


def set_switch(bench: Bench, words: list[str]) -> None:
    """Turn on what is named."""
    for word in words:
        if word == "mdwe":
            bench.mm.mdwe = 1
        elif word == "ksm":
            bench.mm.ksm_merge_any = True
        elif word == "soft_dirty":
            bench.config.soft_dirty = True
        elif word == "signal_pending":
            bench.seam.interrupted = True
        elif word == "stack_grows_up":
            bench.config.stack_grows_up = True
        else:
            raise ValueError(f"{word!r} is no switch")


def set_file(bench: Bench, words: list[str]) -> None:
    """What is special about a file; the manual's page on testing lists it."""
    file = bench.file(words[0]) if words else None
    ops = file.f_op if file is not None else None
    if file is None or not isinstance(ops, CaseFileOps) or len(words) < 2:
        raise ValueError("`file` takes a name and what is special about it")
    what, *rest = words[1:]
    if what == "refuses" and len(rest) == 1 and hasattr(errno, rest[0]):
        ops.error = -getattr(errno, rest[0])
    elif what == "adds":
        ops.adds = flags(rest)
    elif what == "shmem" and not rest:
        ops.is_shmem = True
    elif what == "hugetlb" and not rest:
        ops.is_hugetlb = True
    elif what == "sealed" and not rest:
        file.inode.seals = 8
        mapping_deny_writable(file.inode.i_mapping)
    elif not set_prepared(ops, what, rest):
        raise ValueError(
            "a file `refuses ENAME`, `adds` or `prepares WORDS`, `objects ENAME [as ENAME]`, `shows"
            " frames PAGE` or `shows pages`, `hides`, or is shmem, hugetlb or sealed"
        )


def set_prepared(ops: CaseFileOps, what: str, rest: list[str]) -> bool:
    """What a file says beforehand, and wants done; return whether it is something of that."""
    if what == "prepares":
        ops.prepare(parse_prepared(rest))
        return True
    if what == "objects" and all(hasattr(errno, word) for word in rest[::2]):
        if len(rest) == 1 or (len(rest) == 3 and rest[1] == "as"):
            ops.objects = -getattr(errno, rest[0])
            ops.override = -getattr(errno, rest[2]) if len(rest) == 3 else 0
            return True
    if what == "shows" and rest == ["pages"]:
        ops.shows_pages = True
    elif what == "shows" and len(rest) == 2 and rest[0] == "frames":
        ops.frames = page(rest[1:]) >> PAGE_SHIFT
    elif what == "hides" and not rest:
        ops.hides = True
    else:
        return False
    return True


def add_crowd(bench: Bench, words: list[str]) -> None:
    """`crowd N from PAGE`: N one-page VMAs with holes between, so that the tree's leaf is full."""
    if len(words) != 3 or words[1] != "from":
        raise ValueError("`crowd` reads: crowd N from PAGE")
    first = page(words[2:]) >> PAGE_SHIFT
    if number(words[:1]) > MAX_CROWD:
        raise ValueError(f"a crowd has {MAX_CROWD} VMAs at most")
    bench.crowd += [Box(at, at + 1, "") for at in range(first, first + 2 * number(words[:1]), 2)]


def build_crowd(bench: Bench) -> None:
    """Map the crowd: nothing can merge with it."""
    for box in bench.crowd:
        bench.add(box.start, box.end, Kind(VM_READ | VM_MAY_FLAGS, ops=True), 0)


SETTERS: Final[dict[str, Callable[[Bench, list[str]], None]]] = {
    "kernel": set_kernel,
    "max_map_count": set_max_map_count,
    "stack_guard_gap": set_stack_guard_gap,
    "mmap_min_addr": set_mmap_min_addr,
    "task_size": set_task_size,
    "overcommit": set_overcommit,
    "commit_limit": set_commit_limit,
    "total_ram": set_total_ram,
    "def_flags": set_def_flags,
    "on": set_switch,
}
