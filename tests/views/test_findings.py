# SPDX-License-Identifier: GPL-2.0-or-later
"""A finding is shown as a picture, as a test, as a C program and as a syzkaller program."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.errors import ReadError
from vmalab.check.campaign import Totals
from vmalab.check.draw import PAGE, call
from vmalab.check.finding import MAP, RESULT, Divergence, Finding, Transcript
from vmalab.check.piece import Shrunk
from vmalab.linux.include.features import Features
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.readers.maps import parse_smaps
from vmalab.targets.real.settings import Settings
from vmalab.views.answers.check import check_answer
from vmalab.views.check import finding_lines, save, totals_lines
from vmalab.views.reproducer import c_program, python_test
from vmalab.views.syzkaller import syz_program

FIRST = """\
00400000-00401000 r-xp 00000000 fe:00 12                                 /program
VmFlags: rd ex mr mw me
7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0                          [stack]
VmFlags: rd wr mr mw me gd ac
"""
ONE = "10000000-10002000 rw-p 00000000 00:00 0 \nVmFlags: rd wr mr mw me ac\n"
TWO = (
    "10000000-10001000 rw-p 00000000 00:00 0 \nVmFlags: rd wr mr mw me ac\n"
    "10001000-10002000 r--p 00000000 00:00 0 \nVmFlags: rd mr mw me ac\n"
)
CALLS = (
    call("memfd_create", 0, 0, mem={0: "x"}),
    call("mmap", 0x10000000, 2 * PAGE, 3, 0x32, U64_MAX, 0),
    call("mprotect", 0x10001000, PAGE, 1),
)
RESULTS = (3, 0x10000000, 0)
META: dict[str, object] = {
    "format": 1,
    "kernel": {"release": "6.18.44", "config": {}},
    "generator": {"profile": "dense", "seed": 1},
    "sysctl": {"kernel.randomize_va_space": 0},
    "min_addr_effective": 65536,
    "main_image": "20000.1",
    "events": [{"after_line": 0, "event": "exec", "pid": 20000, "image": "20000.1"}],
    "images": {
        "20000.1": {
            "rlimits": {"STACK": [8388608, None]},
            "anon_vma": ["7ffffffde000-7ffffffff000"],
            "vdso_dropped": True,
        }
    },
}


def upto(text: str) -> str:
    """smaps with more VMAs between the program's own."""
    program, stack = FIRST.splitlines(keepends=True)[:2], FIRST.splitlines(keepends=True)[2:]
    return "".join(program) + text + "".join(stack)


@pytest.fixture
def shrunk() -> Shrunk:
    model = tuple(parse_smaps(upto(ONE)))
    difference = Divergence(CALLS, MAP, 0, 0, "range", 0x10001000, (), model)
    transcript = Transcript(META, FIRST, upto(ONE), upto(TWO), RESULTS, "")
    finding = Finding("dense", 4, Settings(), difference)
    return Shrunk(finding, transcript, "6.18", "6.18.44", 812)


def test_picture_shows_before_kernel_and_model(shrunk: Shrunk) -> None:
    lines = list(finding_lines(shrunk, "live"))
    assert "812 calls shrunk to 3" in lines[0]
    assert "    mprotect(0x10001000, 4096, PROT_READ) = 0" in lines
    assert "  pages     10000 10001 10002" in lines
    assert "  before    |AAAAAAAAAAA|" in lines
    assert "  kernel    |AAAAA|BBBBB|" in lines
    assert "  model     |AAAAAAAAAAA|" in lines
    assert "  B = r--p ac" in lines


def test_saved_finding_is_a_recording_that_replays(shrunk: Shrunk, tmp_path: Path) -> None:
    path = save(shrunk, str(tmp_path), "live")
    recording = RecordingFiles(path)
    calls = [event for event in recording.log() if isinstance(event, Call)]
    assert [made.name for made in calls] == ["memfd_create", "mmap", "mprotect"]
    assert [made.ret for made in calls] == list(RESULTS)
    image = recording.image("20000.1")
    assert image is not None
    assert image.final() == parse_smaps(upto(TWO))
    assert {entry.name for entry in Path(path).iterdir()} >= {
        "README",
        "reproduce.c",
        "reproduce.syz",
        "test.py",
    }


@pytest.mark.parametrize("name", ["README", "meta.json", "images/20000.1/initial.smaps"])
def test_saving_does_not_write_through_a_link(shrunk: Shrunk, tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine", "utf-8")
    planted = Path(save(shrunk, str(tmp_path / "found"), "live"), name)
    planted.unlink()
    planted.symlink_to(precious)
    save(shrunk, str(tmp_path / "found"), "live")
    assert precious.read_text("utf-8") == "mine"
    assert not planted.is_symlink()


@pytest.mark.parametrize("part", ["", "images", "images/20000.1"])
def test_saving_does_not_enter_a_folder_that_is_a_link(
    shrunk: Shrunk, tmp_path: Path, part: str
) -> None:
    path = Path(save(shrunk, str(tmp_path / "found"), "live"))
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.rmtree(path / part)
    (path / part).symlink_to(moved)
    with pytest.raises(ReadError):
        save(shrunk, str(tmp_path / "found"), "live")
    assert list(moved.iterdir()) == []


# Bytes that are no UTF-8 and a digit behind them, a way out of each language's strings, and lines.
ODD_NAME = "\udcff7\x1b[31m\u202e\"'\\\n??/*/ %s"


@pytest.fixture
def odd(shrunk: Shrunk) -> Shrunk:
    """The same finding, with a file of that name."""
    calls = (call("memfd_create", 0, 0, mem={0: ODD_NAME}), *CALLS[1:])
    named = FIRST.replace("/program", "/\udcff\x1b[31m")
    finding = replace(shrunk.finding, difference=replace(shrunk.finding.difference, calls=calls))
    transcript = replace(shrunk.transcript, first=named)
    return replace(shrunk, finding=finding, transcript=transcript)


def test_finding_with_a_name_that_is_no_text_is_saved(odd: Shrunk, tmp_path: Path) -> None:
    path = save(odd, str(tmp_path), "live\x1b")
    for name in ("README", "reproduce.c", "reproduce.syz", "test.py", "calls.strace", "meta.json"):
        text = Path(path, name).read_text("ascii")
        assert all(char.isprintable() or char in "\n\t" for char in text)
    first = next(iter(RecordingFiles(path).log()))
    assert isinstance(first, Call)
    assert first.mem == {0: ODD_NAME}


def test_programs_keep_a_name_that_is_no_text(odd: Shrunk, tmp_path: Path) -> None:
    calls = odd.finding.difference.calls
    scope: dict[str, object] = {}
    exec(python_test(calls, RESULTS, "6.18"), scope)
    scope["test_as_linux_6_18"]()  # type: ignore[operator]
    (tmp_path / "reproduce.syz").write_text(syz_program(calls, RESULTS), "ascii")
    read = next(iter(RecordingFiles(str(tmp_path / "reproduce.syz")).log()))
    assert isinstance(read, Call)
    assert read.mem == {0: ODD_NAME}


def test_python_test_runs_and_passes_where_the_model_is_right() -> None:
    scope: dict[str, object] = {}
    exec(python_test(CALLS, RESULTS, "6.18"), scope)
    scope["test_as_linux_6_18"]()  # type: ignore[operator]


def test_python_test_fails_where_the_model_differs() -> None:
    scope: dict[str, object] = {}
    exec(python_test(CALLS, (3, 0x10000000, -13), "6.18"), scope)
    with pytest.raises(AssertionError):
        scope["test_as_linux_6_18"]()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("version", "release", "shows"),
    [
        ("6.18", "6.18.15+deb13", False),
        ("6.18", "6.18.44", True),
        ("6.18.15", "6.18.44", False),
        ("6.18.44", "6.18.15+deb13", True),
    ],
)
def test_python_test_is_of_the_point_release(version: str, release: str, shows: bool) -> None:
    """What is asked there is whether guard regions have a flag."""
    text = python_test(CALLS, RESULTS, version, release)
    [line] = [line for line in text.split("\n") if "config.features = " in line]
    assert eval(line.partition(" = ")[2], {"Features": Features}).guard_flag is shows


def test_python_test_follows_forks() -> None:
    calls = (CALLS[1], call("clone", 17), call("munmap", 0x10000000, PAGE), call("exit"), CALLS[2])
    scope: dict[str, object] = {}
    exec(python_test(calls, (0x10000000, 1, 0, None, 0), "6.18"), scope)
    scope["test_as_linux_6_18"]()  # type: ignore[operator]


@pytest.mark.parametrize("name", ["x", ODD_NAME], ids=["plain", "odd"])
def test_c_program_makes_the_calls(tmp_path: Path, name: str) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    source = tmp_path / "reproduce.c"
    calls = (call("memfd_create", 0, 0, mem={0: name}), *CALLS[1:])
    source.write_text(c_program(calls, RESULTS), "utf-8")
    program = tmp_path / "reproduce"
    command = [compiler, "-Wall", "-Werror", "-o", str(program), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    printed = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    assert "not as recorded" not in printed
    assert "10001000-10002000 r--p" in printed


def test_syzkaller_program_stays_in_its_area() -> None:
    calls = (*CALLS, call("mremap", 0x10000000, PAGE, PAGE, 3, 0x20000000), call("brk", 0x500000))
    lines = syz_program(calls, (*RESULTS, 0x20000000, 0x500000)).splitlines()
    assert lines[0] == "r0 = memfd_create(&(0x7f0000e00000)='x\\x00', 0x0)"
    assert lines[1] == (
        "mmap(&(0x7f0000000000/0x2000)=nil, 0x2000, 0x3, 0x32, 0xffffffffffffffff, 0x0)"
    )
    assert lines[3].endswith("&(0x7f0000200000/0x1000)=nil)")
    assert lines[4].startswith("# brk(")


def test_totals_as_json_and_as_text() -> None:
    outcomes = {("mmap", 0, -12, 0, ""): 3, ("mmap", 0, 0, -1, ""): 2}
    totals = Totals("6.18.44", "6.18", 1000, 5, 2, 0, 2.0, outcomes)
    found = check_answer("live", 7, totals)
    assert found["seed"] == 7
    assert found["calls_per_second"] == 500
    assert found["differences"] == 0
    assert found["coverage"] == {"outcomes": 2, "merges": 2, "errors": 1}
    assert "no difference" in next(totals_lines("live", totals))


def test_result_that_differs_shows_both(shrunk: Shrunk) -> None:
    difference = Divergence(CALLS, RESULT, -12, 0)
    finding = Finding("errno", 1, Settings(), difference)
    other = Shrunk(finding, shrunk.transcript, "6.18", "6.18.44", 9)
    lines = list(finding_lines(other, "live"))
    assert "  kernel: -1 ENOMEM (Cannot allocate memory)" in lines
    assert "  model:  0" in lines


def test_programs_write_the_register_of_keys_and_make_pipes() -> None:
    pipe = call("pipe2", 0, 0, mem={0: []})
    pipe.out = [3, 4]
    calls = (call("wrpkru", 0xFFFFFFFF), pipe)
    program = c_program(calls, (0, 0))
    assert '"a"(0xfffffffc), "c"(0), "d"(0)' in program
    text = python_test(calls, (0, 0), "6.18")
    assert "t20000.pkru = 0xfffffffc" in text
    scope: dict[str, object] = {}
    exec(text, scope)
    made = scope["test_as_linux_6_18"]
    assert callable(made)
    made()
