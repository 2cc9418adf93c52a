# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab place`: the address is where mmap puts it, and what it says of the way there is true."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from vmalab.api.machine import Machine
from vmalab.api.maps import Maps
from vmalab.calls.call import Call
from vmalab.calls.errors import UsageError
from vmalab.cli.place import parse_length, place
from vmalab.cli.why import why
from vmalab.explain.why.landed import landed
from vmalab.explain.why.landing import BELOW_BASE, FALLBACK, Landing, Wanted, landing_of
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS, MAP_PRIVATE
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.readers.maps import read_snapshot
from vmalab.replay.replay import Options

# Two holes of 1 and of 3 MiB, a stack with its guard gap, and much below.
FLAGS = "VmFlags: rd wr mr mw me ac"
MAP = f"""\
7f0000000000-7f0000100000 rw-p 00000000 00:00 0
{FLAGS}
7f0000200000-7f0000300000 rw-p 00000000 00:00 0
{FLAGS}
7f0000600000-7f0000700000 rw-p 00000000 00:00 0 [stack]
{FLAGS} gd
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(place, list(words))


@pytest.fixture
def saved(tmp_path: Path) -> str:
    path = tmp_path / "maps"
    path.write_text(MAP)
    return str(path)


def of(saved: str, *words: str) -> dict[str, Any]:
    done = run(saved, *words, "--json", "--kernel", "6.18")
    assert done.exit_code in (0, 1), done.output
    landing: dict[str, Any] = json.loads(done.stdout)["landing"]
    return landing


def test_the_highest_gap_that_is_long_enough_is_taken(saved: str) -> None:
    landing = of(saved, "1M")
    assert landing["rule"] == BELOW_BASE
    assert landing["address"] == 0x7F0000600000 - (1 << 20) - (1 << 20)
    assert landing["gap"]["usable"] == 2 << 20
    assert landing["passed_count"] == 0


def test_gaps_that_are_too_short_are_told_with_the_reason(saved: str) -> None:
    landing = of(saved, "3M")
    assert landing["address"] < 0x7F0000000000
    reasons = {gap["start"]: gap["why"] for gap in landing["passed"]}
    assert reasons == {
        0x7F0000300000: "the guard gap below a stack takes the rest",
        0x7F0000100000: "too short",
    }
    assert landing["passed_bytes"] == 3 << 20


def test_huge_pages_align_anonymous_memory_of_their_multiple(saved: str) -> None:
    landing = of(saved, "4M")
    assert (landing["alignment"], landing["address"] % (2 << 20)) == (2 << 20, 0)
    assert landing["searched"] == 6 << 20
    assert landing["asked_by"] == "anonymous memory whose length is a multiple of 2 MiB"
    odd = of(saved, "4100K")
    assert odd["asked_by"] == "anonymous memory whose length is no multiple of 2 MiB"
    assert odd["alignment"] == 4096


def test_the_file_system_that_asks_for_an_alignment_is_named(saved: str) -> None:
    landing = of(saved, "4100K", "--on", "ext4")
    assert landing["asked_by"] == "ext4 asks for it (thp_get_unmapped_area)"
    assert landing["address"] % (2 << 20) == 0
    assert of(saved, "4100K", "--on", "nfs")["asked_by"] == "nfs asks for no alignment"


@pytest.mark.parametrize(
    ("kind", "why"),
    [("etx4", "did you mean ext4?"), ("?", "known are"), ("hugetlbfs", "huge pages")],
)
def test_a_file_system_that_nobody_knows_is_refused(saved: str, kind: str, why: str) -> None:
    done = run(saved, "1M", "--on", kind)
    assert isinstance(done.exception, UsageError)
    assert why in str(done.exception)


def test_a_text_with_two_maps_says_so(tmp_path: Path) -> None:
    path = tmp_path / "two.maps"
    path.write_text(MAP + MAP)
    done = run(str(path), "1M")
    assert done.exit_code == 0
    assert f"vmalab: {path}: Maps in the text: 2. The longest is taken." in done.stderr


@pytest.mark.parametrize(
    ("hint", "verdict"),
    [
        ("7f0000100000", "taken"),
        ("7f0000100123", "taken (rounded to 0x7f0000100000)"),
        ("7f0000200000", "refused: 7f0000200000-7f0000300000 is there"),
        (
            "7f0000500000",
            "refused: it would reach into the guard gap below 7f0000600000-7f0000700000 [stack]",
        ),
        ("7ffffffff000", "refused: beyond the end of the address space, or across 2^47"),
    ],
)
def test_what_becomes_of_a_hint(saved: str, hint: str, verdict: str) -> None:
    landing = of(saved, "64K", "--hint", hint)
    assert landing["hint_verdict"] == verdict
    assert (landing["rule"] == "the hint") == verdict.startswith("taken")


def test_without_a_gap_below_the_top_the_search_goes_on_from_the_bottom(tmp_path: Path) -> None:
    full = tmp_path / "maps"
    full.write_text("000000010000-7f0000000000 rw-p 00000000 00:00 0\n")
    machine = Machine("6.18", Maps(read_snapshot(str(full))))
    space = machine.process()
    mm = machine.target.mm(space.pid)
    assert mm is not None
    landing = landing_of(mm, Wanted(1 << 20, flags=MAP_PRIVATE))
    assert landing.rule == FALLBACK
    assert landing.address is not None
    assert landing.address >= 0x7F0000000000


def test_the_engine_puts_it_there(examples: Path) -> None:
    from vmalab.api.recording import Recording

    space = Recording.open(str(examples / "python-rlimit-as")).address_space(at=400)
    mm = space.machine.target.mm(space.pid)
    assert mm is not None
    for length in (4096, 0x21000, 2 << 20, 5 << 20):
        landing = landing_of(mm, Wanted(length, flags=MAP_PRIVATE))
        args = (0, length, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        made = space.machine.target.apply(Call(space.pid, "mmap", args))
        assert made in (landing.address, -12)


def test_a_limit_that_refuses_the_mapping_is_named(examples: Path) -> None:
    done = run(str(examples / "python-rlimit-as"), "300M", "--at", "400")
    assert done.exit_code == 1
    assert "would land at" in done.stdout
    assert "All the same the call would be refused: ENOMEM, RLIMIT_AS: " in done.stdout
    assert "merges" not in done.stdout


def test_what_is_refused_ends_with_1(saved: str) -> None:
    done = run(saved, "200T")
    assert done.exit_code == 1
    assert "refused: ENOMEM" in done.stdout


def test_an_aligned_place_tells_what_is_to_be_unmapped(saved: str) -> None:
    text = run(saved, "64K", "--align", "1M").stdout
    assert "Aligned to 1 MiB: 7f0000400000-7f0000410000, with" in text


@pytest.mark.parametrize(
    ("text", "length"), [("4096", 4096), ("0x1000", 4096), ("2M", 2 << 20), ("1 GiB", 1 << 30)]
)
def test_lengths(text: str, length: int) -> None:
    assert parse_length(text) == length


@pytest.mark.parametrize("text", ["", "0", "-1", "1X", "9" * 30, "2M 3", "99999999T"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        parse_length(text)


def test_an_alignment_that_is_no_power_of_two_is_refused(saved: str) -> None:
    done = run(saved, "64K", "--align", "3M")
    assert done.exit_code == 2
    assert "power of two" in done.stderr


PROGRAM = """
import ctypes, mmap, sys
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
print("ready", flush=True)
length = int(sys.stdin.readline())
print(libc.mmap(0, length, 3, 0x22, -1, 0), flush=True)
sys.stdin.readline()
"""


@pytest.mark.live
@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("length", [1 << 20, 64 << 20, (64 << 20) + 4096])
def test_a_live_process_gets_it_there(length: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child:
        assert child.stdout.readline() == "ready\n"
        done = run(str(child.pid), str(length), "--json")
        assert done.exit_code == 0, done.output
        landing: dict[str, Any] = json.loads(done.stdout)["landing"]
        child.stdin.write(f"{length}\n")
        child.stdin.flush()
        assert int(child.stdout.readline()) == landing["address"]
        child.stdin.write("\n")


def test_landing_holds_what_the_answer_names() -> None:
    assert {"address", "gap", "passed", "hint_verdict"} <= set(Landing.__slots__)


def test_why_tells_of_a_recorded_call(examples: Path) -> None:
    recording = str(examples / "python-rlimit-as")
    done = CliRunner().invoke(why, ["--call", "635", recording])
    assert done.exit_code == 0, done.output
    assert "7fe219f97000-7fe21a098000  1.0 MiB" in done.stdout
    assert "another check refused the call (vmalab enomem)" in done.stdout
    nothing = CliRunner().invoke(why, ["--call", "1", recording])
    assert "no mmap that was replayed" in str(nothing.exception)


def test_where_calls_landed_is_where_they_would_land(examples: Path) -> None:
    files = RecordingFiles(str(examples / "python-rlimit-as"))
    for line in (423, 427, 429):
        call, landing, _ = landed(files, Options(), line)
        assert call.ret == landing.address
