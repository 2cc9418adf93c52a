# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab why` as a user runs it: on recordings, saved snapshots and live processes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from vmalab.calls.errors import VmalabError
from vmalab.cli.why import why as command
from vmalab.recording.readers.maps import read_snapshot

ROOT = Path(__file__).parent.parent.parent
GUARDS = 500
# Maps pages with guards between them, says so, and waits.
PROGRAM = f"""
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
size = {2 * GUARDS + 1} << 12
base = libc.mmap(None, size, 3, 0x22, -1, 0)
ctypes.memset(base, 1, size)
for n in range({GUARDS}):
    assert libc.mprotect(base + (2 * n + 1 << 12), 4096, 0) == 0
print(hex(base), flush=True)
input()
"""


def why(*arguments: str) -> Result:
    """Runs the verb as `vmalab why ARGUMENTS` would, from the top of the sources."""
    with chdir(ROOT):
        return CliRunner().invoke(command, arguments)


def why_json(*arguments: str) -> dict[str, Any]:
    done = why(*arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def texts(found: dict[str, Any]) -> list[str]:
    return [
        " + ".join(f"{cause['kind']} {cause['detail']}".strip() for cause in group["causes"])
        for group in found["groups"]
    ]


@pytest.fixture
def guarded() -> Iterator[tuple[int, int]]:
    """A live process with guard pages: its PID, and where they begin."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline(), 16)
        process.communicate("\n")


def test_a_live_process_with_guard_pages(guarded: tuple[int, int]) -> None:
    """Half of the VMAs are guards, and a rule that let protections differ would save them all."""
    pid, base = guarded
    found = why_json(str(pid))
    if not found["has_flags"]:
        pytest.skip("smaps cannot be read here")
    first = found["groups"][0]
    assert texts(found)[0] == "flags rd wr"
    assert (first["boundaries"], first["saves"]) == (2 * GUARDS, 2 * GUARDS)
    assert base + 0x1000 in first["examples"]
    assert (found["at"], found["complete"]) == ("now", False)


def test_a_place_of_a_live_process(guarded: tuple[int, int]) -> None:
    pid, base = guarded
    found = why_json(str(pid), f"{base + 0x1000:x}")
    place = found["place"]
    assert (place["vma"]["start"], place["vma"]["perms"]) == (base + 0x1000, "---p")
    for meeting in place["meetings"]:
        verdicts = {item["kind"]: item["holds"] for item in meeting["conditions"]}
        assert verdicts["flags"] is False
        assert verdicts["anon_vma"] is None


def test_a_recording_at_its_peak(examples: Path) -> None:
    done = why(str(examples / "python-rlimit-as"))
    assert (done.exit_code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].endswith("image 22543.1, peak (line 377): 104 VMAs, by the rules of Linux 6.18")
    assert "        36          36  flags ex                                  55d4558b7000" in [
        line.rstrip() for line in lines
    ]
    assert "ex VM_EXEC: the protection: mmap, mprotect" in done.stdout
    tables = lines[1:-1]  # The first and the last line are text, and stay whole.
    assert all(len(line) <= 80 for line in tables)


def test_a_place_of_a_recording_has_its_story(examples: Path) -> None:
    found = why_json(str(examples / "python-rlimit-as"), "0x7fe229185000")
    failing = [
        [item["kind"] for item in meeting["conditions"] if item["holds"] is False]
        for meeting in found["place"]["meetings"]
    ]
    assert failing == [["file", "anon_vma"], ["flags", "file"]]
    assert [vma["born"]["line"] for vma in found["made"]] == [237, 68, 63]
    assert [(event["what"], event["deed"]["line"]) for event in found["life"]] == [
        ("mapped", 68),
        ("grew", 69),
        ("grew", 70),
        ("grew", 102),
        ("grew", 195),
    ]


def test_a_line_of_a_recording(examples: Path) -> None:
    found = why_json(str(examples / "dense-1"), "--at", "999")
    assert (found["at"], found["line"]) == ("line 999", 999)
    lines = read_snapshot(str(examples / "dense-1/images/20000.1/checkpoint-999.smaps"))
    assert found["vmas"] == len([line for line in lines if line.start < 1 << 63])


def test_a_saved_snapshot(examples: Path) -> None:
    path = examples / "dense-1" / "images" / "20000.1" / "final.smaps"
    found = why_json(str(path))
    model = why_json(str(examples / "dense-1"), "--at", "end")
    assert (found["vmas"], found["touching"]) == (model["vmas"], model["touching"])
    assert found["complete"] is False
    assert model["complete"] is True
    done = why(str(path))
    assert "A snapshot does not show anon_vmas" in done.stdout
    assert "fewer at most" in done.stdout


LINE = "00001000-00002000 rw-p 00000000 00:00 0 \n"


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (LINE + LINE, "Maps in the text: 2. The longest is taken."),
        (LINE + "what\n", "Lines that are no part of a map: 1, the first in line 2: what."),
    ],
)
def test_what_is_not_read_of_a_snapshot_is_said(tmp_path: Path, text: str, note: str) -> None:
    path = tmp_path / "snapshot"
    path.write_text(text)
    done = why(str(path))
    assert note in done.stdout
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no map\nat all\n", "the log has no usable calls"),
        ("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n", "no VMAs"),
        ("00002000-00001000 rw-p 00000000 00:00 0 \n" * 2, "no memory map"),
    ],
)
def test_a_snapshot_that_cannot_be_is_said(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "snapshot"
    path.write_text(text)
    done = why(str(path))
    assert done.stdout == ""
    assert isinstance(done.exception, VmalabError)
    assert message in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("99999999999",), "no such process"),
        (("/no/such/file",), "cannot open"),
        (("examples",), "several recordings; name one of them"),
        (("README.md",), "the log has no usable calls"),
        (("examples/sqlite3", "--image", "1.1"), "the image '1.1' does not exist"),
        (("examples/sqlite3", "zz"), "'zz' is no address"),
        (("examples/sqlite3", "--at", "soon"), "neither end nor peak"),
        (("examples/sqlite3", "--kernel", "2.4"), "no model of kernel '2.4'"),
    ],
)
def test_what_cannot_be_used_is_said(arguments: tuple[str, ...], message: str) -> None:
    done = why(*arguments)
    assert isinstance(done.exception, VmalabError) or done.exit_code == 2
    assert message in f"{done.exception} {done.stderr}"
