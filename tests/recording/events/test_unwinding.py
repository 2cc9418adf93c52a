# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a process has code, and stacks that were copied and are walked later."""

import struct
from collections.abc import Callable

import pytest

from vmalab.calls.call import Call
from vmalab.recording.events.code_map import CodeMap
from vmalab.recording.events.libunwind import libunwind
from vmalab.recording.events.unwinding import CopiedStack, Unwinder
from vmalab.recording.readers.strace import StraceReader
from vmalab.recording.tracer.code_mapping import Code

LIB = 0x7F0000000000
SP = 0x7FFD00000000


def call(line: str) -> Call:
    """A call from a line of a log."""
    reader = StraceReader()
    reader.feed(f"1 1.0 {line}")
    reader.finish()
    (made,) = reader.take()
    assert isinstance(made, Call)
    return made


def mapped() -> CodeMap:
    """A library of 16 pages, and code of the process's own behind it."""
    code = CodeMap()
    code.called(
        call(f"mmap(NULL, 65536, PROT_READ, MAP_PRIVATE, 3, 0x1000) = {LIB:#x}"), LIB, "/lib/x", 7
    )
    own = LIB + 0x10000
    code.called(
        call(f"mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {own:#x}"),
        own,
        "",
        0,
    )
    return code


def test_a_file_is_where_it_was_mapped() -> None:
    code = mapped()
    assert code.at(LIB + 5) == Code(LIB, LIB + 0x10000, 0x1000, 7, "/lib/x")
    assert code.at(LIB + 0x10000) == Code(LIB + 0x10000, LIB + 0x11000, 0, 0, "")
    assert code.at(LIB - 1) is None
    assert code.at(LIB + 0x11000) is None


def test_what_is_unmapped_in_the_middle_is_gone_and_the_rest_keeps_its_offset() -> None:
    code = mapped()
    before = code.version
    code.called(call(f"munmap({LIB + 0x4000:#x}, 0x1001) = 0"), 0, "", 0)
    assert code.at(LIB + 0x3FFF) == Code(LIB, LIB + 0x4000, 0x1000, 7, "/lib/x")
    assert code.at(LIB + 0x4000) is None
    assert code.at(LIB + 0x5FFF) is None
    assert code.at(LIB + 0x6000) == Code(LIB + 0x6000, LIB + 0x10000, 0x7000, 7, "/lib/x")
    assert code.version != before


def test_what_is_moved_is_where_it_went() -> None:
    code, new = mapped(), LIB + 0x100000
    line = f"mremap({LIB + 0x1000:#x}, 4096, 8192, MREMAP_MAYMOVE) = {new:#x}"
    code.called(call(line), new, "", 0)
    assert code.at(LIB + 0x1000) is None
    assert code.at(new) == Code(new, new + 0x2000, 0x2000, 7, "/lib/x")


def test_memory_that_may_be_run_is_code_of_the_process() -> None:
    code, at = mapped(), LIB + 0xF000
    code.called(call(f"mprotect({at:#x}, 0x4000, PROT_READ|PROT_EXEC) = 0"), 0, "", 0)
    assert code.at(at) == Code(LIB, LIB + 0x10000, 0x1000, 7, "/lib/x")
    assert code.at(LIB + 0x12000) == Code(LIB + 0x11000, LIB + 0x13000, 0, 0, "")


def test_a_map_as_text_tells_of_code() -> None:
    code = CodeMap()
    code.begin_with(
        b"1000-2000 r-xp 00003000 08:01 5 /bin/a b\nVmFlags: rd ex \n"
        b"3000-4000 rw-p 00000000 00:00 0 \n4000-5000 r-xp 00000000 00:00 0 \n"
        b"6000-7000 r-xp 00000000 00:00 0 [vdso]\nnonsense\n-\n"
    )
    assert code.at(0x1000) == Code(0x1000, 0x2000, 0x3000, 5, "/bin/a b")
    assert code.at(0x3000) is None
    assert code.at(0x4000) == Code(0x4000, 0x5000, 0, 0, "")
    assert code.at(0x6000) == Code(0x6000, 0x7000, 0, 0, "[vdso]")


def chain(*frames: tuple[int, int]) -> CopiedStack:
    """A stack whose frames have these return addresses, each so many bytes above the one before."""
    memory = bytearray(4096)
    at = 64
    first = SP + at
    for index, (distance, address) in enumerate(frames):
        above = SP + at + distance if index < len(frames) - 1 else 0
        struct.pack_into("<2Q", memory, at, above, address)
        at += distance
    return CopiedStack((0, first, SP, LIB + 0x10, 0, 0, 0, 0), bytes(memory))


def test_without_libunwind_the_chain_of_frame_pointers_is_followed() -> None:
    stack = chain((32, LIB + 0x20), (128, LIB + 0x30), (16, LIB + 0x40))
    walked = Unwinder(mapped(), None).walk(stack)
    assert walked == [LIB + 0x10, LIB + 0x20, LIB + 0x30, LIB + 0x40]


@pytest.mark.parametrize(
    ("spoil", "left"),
    [
        (lambda memory: struct.pack_into("<Q", memory, 64, SP), 2),
        (lambda memory: struct.pack_into("<Q", memory, 64, (1 << 64) - 8), 2),
        (lambda memory: struct.pack_into("<Q", memory, 72, 0x41414141), 1),
        (lambda memory: memory.__delitem__(slice(70, None)), 1),
    ],
    ids=["back", "far", "no code", "cut"],
)
def test_a_chain_ends_where_it_makes_no_sense(
    spoil: Callable[[bytearray], object], left: int
) -> None:
    stack = chain((32, LIB + 0x20), (128, LIB + 0x30), (16, LIB + 0x40))
    memory = bytearray(stack.memory)
    spoil(memory)
    walked = Unwinder(mapped(), None).walk(CopiedStack(stack.regs, bytes(memory)))
    assert walked == [LIB + 0x10, LIB + 0x20][:left]


def test_a_walk_is_done_anew_when_what_it_read_is_different() -> None:
    unwinder = Unwinder(mapped(), None)
    first = chain((32, LIB + 0x20), (128, LIB + 0x30))
    assert unwinder.walk(first) == unwinder.walk(first) == [LIB + 0x10, LIB + 0x20, LIB + 0x30]
    second = chain((32, LIB + 0x20), (128, LIB + 0x38))
    assert unwinder.walk(second) == [LIB + 0x10, LIB + 0x20, LIB + 0x38]


def test_a_walk_is_done_anew_when_code_is_gone() -> None:
    code = mapped()
    unwinder = Unwinder(code, None)
    stack = chain((32, LIB + 0x20), (128, LIB + 0x3000))
    assert len(unwinder.walk(stack)) == 3
    code.called(call(f"munmap({LIB + 0x3000:#x}, 4096) = 0"), 0, "", 0)
    assert len(unwinder.walk(stack)) == 2


def test_the_library_has_its_tables_where_they_are_written() -> None:
    # None is right where the machine has no libunwind.
    library = libunwind()
    assert library is None or library.info.size in (80, 88)
