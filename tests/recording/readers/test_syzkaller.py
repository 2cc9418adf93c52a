# SPDX-License-Identifier: GPL-2.0-or-later
"""syzkaller programs, those that vmalab writes and those that syzkaller does."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.call import Call, Event, Unparsed
from vmalab.linux.include.page import POINTER_UNKNOWN
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.readers.syzkaller import SyzkallerReader, is_syzkaller_text
from vmalab.replay.replay import Options, Replay
from vmalab.views.syzkaller import AREA, syz_program

MINUS_ONE = 2**64 - 1


def events(*lines: str) -> list[Event]:
    """What the reader makes of lines."""
    reader = SyzkallerReader()
    for line in lines:
        reader.feed(line)
    reader.finish()
    return reader.take()


def calls(*lines: str) -> list[Call]:
    found = events(*lines)
    assert [event for event in found if isinstance(event, Unparsed)] == []
    return [event for event in found if isinstance(event, Call)]


@pytest.mark.parametrize(
    ("line", "name", "args", "mem"),
    [
        (
            "mmap(&(0x7f0000003000/0x3000)=nil, 0x3000, 0x3, 0x32, 0xffffffffffffffff, 0x0)",
            "mmap",
            (AREA + 0x3000, 0x3000, 3, 0x32, MINUS_ONE, 0),
            None,
        ),
        (
            "mmap$IORING_OFF_SQES(&(0x7f0000003000/0x3000)=nil, 0x3000, 0x3, 0x32, -1, 0x0)",
            "mmap",
            (AREA + 0x3000, 0x3000, 3, 0x32, MINUS_ONE, 0),
            None,
        ),
        (
            r"open(&(0x7f0000000040)='./a b\x00', 0x42, 0x0)",
            "open",
            (AREA + 0x40, 0x42, 0, 0, 0, 0),
            {0: "./a b"},
        ),
        (
            'memfd_create(&(0x7f0000000040)="6162ff00", 0x0)',
            "memfd_create",
            (AREA + 0x40, 0, 0, 0, 0, 0),
            {0: "ab\udcff"},
        ),
        (
            "mbind(&(0x7f0000000000/0x1000)=nil, 0x1000, 0x2, &(0x7f0000000040)=0x1, 0x9, 0x0)",
            "mbind",
            (AREA, 0x1000, 2, AREA + 0x40, 9, 0),
            {3: [1]},
        ),
        (
            "prlimit64(0x0, 0x9, &(0x7f0000000040)={0x1000, 0x2000}, 0x0)",
            "prlimit64",
            (0, 9, AREA + 0x40, 0, 0, 0),
            {2: {"rlim_cur": 0x1000, "rlim_max": 0x2000}},
        ),
        (
            "process_madvise(0xffffffffffffffff, &(0x7f0000000040)=[{&(0x7f0000001000/0x1000)=nil,"
            " 0x1000}], 0x1, 0x14, 0x0)",
            "process_madvise",
            (MINUS_ONE, AREA + 0x40, 1, 0x14, 0, 0),
            {1: [{"iov_base": AREA + 0x1000, "iov_len": 0x1000}]},
        ),
        (
            "ioctl$UFFDIO_REGISTER(0x5, 0xc020aa00, &(0x7f0000000040)={{&(0x7f0000001000/0x2000)="
            "nil, 0x2000}, 0x1})",
            "ioctl",
            (5, 0xC020AA00, AREA + 0x40, 0, 0, 0),
            {2: {"range": {"start": AREA + 0x1000, "len": 0x2000}, "mode": 1}},
        ),
        ("munlockall()", "munlockall", (0,) * 6, None),
    ],
)
def test_arguments(
    line: str, name: str, args: tuple[int, ...], mem: dict[int, object] | None
) -> None:
    (call,) = calls(line)
    assert (call.name, call.args, call.mem) == (name, args, mem)


def test_resources_become_descriptors() -> None:
    made, sized, pair, closed = calls(
        r"r0 = memfd_create(&(0x7f0000000000)='x\x00', 0x0)",
        "ftruncate(r0, 0x1000)",
        "pipe2(&(0x7f0000000040)={<r1=>0xffffffffffffffff, <r2=>0xffffffffffffffff}, 0x0)",
        "close(r2)",
    )
    assert made.ret == 3
    assert sized.args[:2] == (3, 0x1000)
    assert pair.mem == {0: [4, 5]}
    assert closed.args[0] == 5
    assert sized.ret is None


def test_what_vmalab_writes_is_read_again() -> None:
    base = 0x10000000
    written = [
        Call(1, "memfd_create", (POINTER_UNKNOWN, 2, 0, 0, 0, 0), {0: "seen"}),
        Call(1, "mmap", (base, 0x3000, 3, 0x11, 7, 0x1000)),
        Call(1, "mprotect", (base + 0x1000, 0x1000, 1, 0, 0, 0)),
        Call(1, "mremap", (base, 0x1000, 0x2000, 3, base + 0x8000, 0)),
        Call(1, "madvise", (base, 0x3000, 12, 0, 0, 0)),
    ]
    read = calls(*syz_program(written, [7, None, 0, None, 0]).splitlines())
    moved = [
        tuple(arg - base + AREA if base <= arg < base + 0x10000 else arg for arg in call.args)
        for call in written
    ]
    assert [call.name for call in read] == [call.name for call in written]
    assert read[0].mem == {0: "seen"}
    assert read[1].args == (AREA, 0x3000, 3, 0x11, 3, 0x1000)
    assert [call.args for call in read[2:]] == moved[2:]


@pytest.mark.parametrize(
    "line",
    [
        "mmap(",
        "mmap(0x0",
        "no call",
        "mmap(0x0 0x1)",
        "mmap('x)",
        "a(0, 0, 0, 0, 0, 0, 0)",
        'a("1")',
    ],
)
def test_what_cannot_be_read_is_said(line: str) -> None:
    assert [type(event) for event in events(line)] == [Unparsed]


@given(st.text(st.sampled_from("mr0=x({[<&'\"/@ANY>]}), 1fnil\\#-"), max_size=60))
def test_any_text_is_taken(text: str) -> None:
    for event in events(text, f"mmap({text})"):
        assert isinstance(event, Call | Unparsed)


def test_a_program_is_carried_out(tmp_path: Path) -> None:
    program = tmp_path / "program.syz"
    program.write_text(
        "# two pieces\n"
        "mmap(&(0x7f0000000000/0x3000)=nil, 0x3000, 0x3, 0x32, 0xffffffffffffffff, 0x0)\n"
        "mprotect(&(0x7f0000001000/0x1000)=nil, 0x1000, 0x1)\n"
    )
    report = Replay(RecordingFiles(str(program)), Options(maps=True)).run()
    (image,) = report.images.values()
    assert image.final is not None
    assert [(line.start - AREA, line.perms) for line in image.final] == [
        (0, "rw-p"),
        (0x1000, "r--p"),
        (0x2000, "rw-p"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("r0 = userfaultfd(0x1)\nclose(r0)\n", True),
        ("# only a comment\n", False),
        ("brk(NULL) = 0x1000\nclose(3) = 0\n", False),
        ("mmap(NULL, 4096, PROT_NONE <unfinished ...>\n", False),
        ("5 brk(NULL) = 0x1000\n", False),
        ("", False),
    ],
)
def test_programs_are_told_from_logs(text: str, expected: bool) -> None:
    assert is_syzkaller_text(text.splitlines()) is expected


CONSOLE = """\
2026/01/02 15:04:05 executing program 0:
r0 = memfd_create(&(0x7f0000200000)='x\\x00', 0x0)
mmap(&(0x7f0000000000/0x3000)=nil, 0x3000, 0x3, 0x12, r0, 0x0) (async, rerun: 32)
mremap(&(0x7f0000001000/0x1000)=nil, 0x1000, 0x2000, 0x3, &(0x7f0000010000)=nil) (fail_nth: 3)
[   77.123456][ T5090] BUG: KASAN: slab-use-after-free in vma_merge
2026/01/02 15:04:06 executing program 1:
munmap(&(0x7f0000000000/0x1000)=nil, 0x1000)
r0 = memfd_create(&(0x7f0000200000)='x\\x00', 0x0)
"""


def test_console_of_a_report_is_known_and_read() -> None:
    lines = CONSOLE.splitlines()
    assert is_syzkaller_text(lines)
    found = events(*lines)
    assert [(event.tid, event.name) for event in found if isinstance(event, Call)] == [
        (1, "memfd_create"),
        (1, "mmap"),
        (1, "mremap"),
        (2, "munmap"),
        (2, "memfd_create"),
    ]
    assert [event.line for event in found if isinstance(event, Unparsed)] == [5]


def test_programs_of_a_console_share_nothing(tmp_path: Path) -> None:
    path = tmp_path / "report.txt"
    path.write_text(CONSOLE)
    report = Replay(RecordingFiles(str(path)), Options()).run()
    assert sorted(image.name for image in report.images.values()) == ["1.0", "2.0"]
    assert report.total.differ == 0


@pytest.mark.parametrize(
    "line",
    ["mmap(&(0x7f0000000000/0x3000)=nil, 0x3000) = 5", "munmap(0x7f0000000000, 4096) = 0"],
)
def test_log_with_results_is_none_of_syzkaller(line: str) -> None:
    assert not is_syzkaller_text([line])


def test_text_behind_a_call_that_is_no_property_is_reported() -> None:
    (event,) = events("munmap(&(0x7f0000000000/0x1000)=nil, 0x1000) or not")
    assert isinstance(event, Unparsed)
