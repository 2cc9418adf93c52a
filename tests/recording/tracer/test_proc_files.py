# SPDX-License-Identifier: GPL-2.0-or-later
"""Live address spaces: this process's own map, and what was written to."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.call import Call
from vmalab.calls.ranges import EVERYWHERE
from vmalab.linux.include.uapi.mman import MAP_FIXED, MREMAP_FIXED, MREMAP_MAYMOVE
from vmalab.recording.readers.maps import parse_maps, parse_smaps
from vmalab.recording.tracer.changed_ranges import range_after, ranges_before
from vmalab.recording.tracer.proc_files import (
    anonymous_ranges,
    descriptors,
    difference,
    flagged_lines,
    image_facts,
    layout,
    read_proc,
    read_smaps,
)
from vmalab.recording.tracer.program_headers import program_headers

PAGE = 4096


def test_a_snapshot_is_the_map() -> None:
    pid = os.getpid()
    smaps = read_smaps(pid)
    snapshot = parse_smaps(smaps.decode("utf-8", "surrogateescape"))
    assert all(line.flags is not None for line in snapshot)
    by_rss = [line for line in snapshot if line.rss]
    assert by_rss
    assert len(flagged_lines(smaps)) == len(snapshot)
    written = {
        (line.start, line.end) for line in snapshot if line.anonymous and line.perms[3] == "p"
    }
    shown = {tuple(int(word, 16) for word in span.split("-")) for span in anonymous_ranges(smaps)}
    assert shown == written


def test_swapped_pages_count_as_written() -> None:
    smaps = (
        b"1000-2000 rw-p 00000000 00:00 0 \nAnonymous:  0 kB\nSwap:  4 kB\nVmFlags: rd \n"
        b"2000-3000 rw-p 00000000 00:00 0 \nAnonymous:  8 kB\nSwap:  4 kB\nVmFlags: rd \n"
        b"3000-4000 rw-s 00000000 00:00 0 \nAnonymous:  0 kB\nSwap:  4 kB\nVmFlags: rd \n"
        b"4000-5000 rw-p 00000000 00:00 0 \nAnonymous:  0 kB\nSwap:  0 kB\nVmFlags: rd \n"
    )
    assert anonymous_ranges(smaps) == ["1000-2000", "2000-3000"]


def test_facts_of_this_process() -> None:
    facts = image_facts(os.getpid())
    lines = parse_maps(read_proc(os.getpid(), "maps").decode())
    start_stack = int(facts.mm["start_stack"], 16)
    assert [line.name for line in lines if line.start <= start_stack < line.end] == ["[stack]"]
    assert set(facts.rlimits) == {"AS", "DATA", "MEMLOCK", "STACK"}
    assert facts.auxv["AT_PAGESZ"] == "0x1000"
    assert facts.status["Uid"].split()[0] == str(os.getuid())


def test_nothing_is_known_of_a_process_that_is_gone() -> None:
    gone = 1 << 22
    assert read_smaps(gone) == b""
    assert layout(gone) == {}
    assert descriptors(gone) == {}


def test_descriptors_of_this_process() -> None:
    with open(os.devnull, "rb") as file:
        assert descriptors(os.getpid())[str(file.fileno())][0] == os.devnull


def test_headers_of_this_program() -> None:
    pid = os.getpid()
    facts = image_facts(pid)
    headers = program_headers(pid, read_smaps(pid), facts.auxv)
    program = headers["program"]
    assert isinstance(program, dict)
    assert program["path"] == os.readlink("/proc/self/exe")
    assert len(program["phdrs"]) == int(facts.auxv["AT_PHNUM"], 16)


def call(name: str, *args: int) -> Call:
    return Call(1, name, (*args, *(0,) * 6)[:6])


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (call("munmap", 0x5001, 1), [(0x5000, 0x6000)]),
        (call("mmap", 0x5000, 0x2000, 3, 0x22), []),
        (call("mmap", 0x5000, 0x2000, 3, 0x22 | MAP_FIXED), [(0x5000, 0x7000)]),
        (call("mremap", 0x5000, 0x1000, 0x3000, MREMAP_MAYMOVE), [(0x5000, 0x8000)]),
        (
            call("mremap", 0x5000, 0x1000, 0x1000, MREMAP_MAYMOVE | MREMAP_FIXED, 0x9000),
            [(0x5000, 0x6000), (0x9000, 0xA000)],
        ),
        (call("brk", 0x30000), [(0x20000, 0x30000)]),
        (call("brk", 0), []),
        (call("mlockall", 1), [*EVERYWHERE]),
        (call("fork"), []),
    ],
)
def test_what_a_call_may_change(made: Call, expected: list[tuple[int, int]]) -> None:
    assert ranges_before(made, 0x20000) == expected


def test_what_a_call_has_made() -> None:
    assert range_after(call("mmap", 0, 0x1001), 0x7000) == (0x7000, 0x9000)
    assert range_after(call("mmap", 0, 0x1001), -12) is None
    assert range_after(call("mremap", 0x5000, 0x1000, 0x2000, 1), 0x5000) is None
    assert range_after(call("mremap", 0x5000, 0x1000, 0x2000, 1), 0x9000) == (0x9000, 0xB000)


LINES = st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=12)


@given(LINES, LINES)
def test_a_step_makes_one_map_of_the_other(old: list[bytes], new: list[bytes]) -> None:
    start, ndel, nins = difference(old, new)
    assert old[:start] + new[start : start + nins] + old[start + ndel :] == new
