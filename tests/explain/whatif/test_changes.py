# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes as a user writes them, and what they make of a recorded machine."""

import pytest

from vmalab.calls.call import Call
from vmalab.calls.errors import UsageError
from vmalab.explain.whatif.changes import (
    Changes,
    Pattern,
    changed_meta,
    parse_pattern,
)
from vmalab.linux.include.uapi.mman import MADV_HUGEPAGE, MADV_NOHUGEPAGE
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.recording.format.stated import parse_setting


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("munmap", Pattern("munmap")),
        ("madvise(MADV_NOHUGEPAGE)", Pattern("madvise", ("MADV_NOHUGEPAGE",))),
        ("mmap(NULL, MAP_STACK)", Pattern("mmap", ("NULL", "MAP_STACK"))),
        ("mmap(MAP_PRIVATE|MAP_ANONYMOUS)", Pattern("mmap", ("MAP_PRIVATE", "MAP_ANONYMOUS"))),
        (" mprotect( PROT_NONE ) ", Pattern("mprotect", ("PROT_NONE",))),
    ],
)
def test_patterns(text: str, pattern: Pattern) -> None:
    assert parse_pattern(text) == pattern


@pytest.mark.parametrize("text", ["", "open", "fork", "madvise(", "MADVISE", "mmap munmap", "1;"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(UsageError):
        parse_pattern(text)


def test_every_word_has_to_be_there() -> None:
    call = Call(1, "madvise", (0x1000, 4096, MADV_NOHUGEPAGE, 0, 0, 0))
    assert Pattern("madvise").matches(call)
    assert Pattern("madvise", ("MADV_NOHUGEPAGE", "4096")).matches(call)
    assert not Pattern("madvise", ("MADV_NOHUGEPAGE", "8192")).matches(call)
    assert not Pattern("munmap").matches(call)
    other = Call(1, "madvise", (0x1000, 4096, MADV_HUGEPAGE, 0, 0, 0))
    assert not Pattern("madvise", ("MADV_NOHUGEPAGE",)).matches(other)


def test_a_changed_machine() -> None:
    meta = Meta(
        total_ram_pages=1000,
        swap_total_kb=40,
        commit_limit_kb=2040,
        min_addr_effective=65536,
        sysctl={"vm.mmap_min_addr": 4096, "vm.max_map_count": 65530},
        rlimits={"AS": (1, 2)},
        images={"5.1": MetaImage(rlimits={"AS": (3, 4), "STACK": (5, 6)})},
        thp={"enabled": "always", "shmem_enabled": "never"},
    )
    changes = Changes(
        sysctl=dict(
            [
                parse_setting("vm.max_map_count=100"),
                parse_setting("vm.mmap_min_addr=131072"),
                parse_setting("vm.overcommit_ratio=80"),
            ]
        ),
        rlimits={"AS": 7},
        thp="never",
    )
    changed = changed_meta(meta, changes)
    assert changed.sysctl["vm.max_map_count"] == 100
    assert changed.min_addr_effective == 131072
    assert changed.commit_limit_kb == 800 * 4 + 40
    assert changed.rlimits == {"AS": (7, 7)}
    assert changed.images["5.1"].rlimits == {"AS": (7, 7), "STACK": (5, 6)}
    assert changed.thp == {"enabled": "never", "shmem_enabled": "never"}
    assert changed_meta(meta, Changes()) == meta
