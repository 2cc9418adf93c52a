# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever stands in a file, the readers answer with events and located errors, and stay small."""

import gzip
import os
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.call import Call, Event, Unparsed
from vmalab.calls.errors import ReadError
from vmalab.calls.format import format_call, format_result
from vmalab.recording.format.meta import MAX_IMAGES, Meta, parse_meta
from vmalab.recording.format.steps import read_steps
from vmalab.recording.readers.events import read_events
from vmalab.recording.readers.line_source import MAX_LINE, MAX_SKIPPED, LineSource
from vmalab.recording.readers.maps import parse_smaps, read_snapshot
from vmalab.recording.readers.strace import MAX_FRAMES, StraceReader
from vmalab.recording.readers.unfinished import MAX_PENDING, Pending

DATA = Path(__file__).parents[2] / "data" / "recording"
GOOD = "8 munmap(0x1000, 4096) = 0"


def read_bytes(path: Path, raw: bytes) -> tuple[list[Event], StraceReader]:
    path.write_bytes(raw)
    reader = StraceReader()
    events = list(read_events(LineSource(str(path)), reader))
    for event in events:
        assert isinstance(event, Unparsed) or 0 <= event.tid < 1 << 34
        if isinstance(event, Call):
            assert len(event.args) == 6
            assert all(0 <= value < 1 << 64 for value in event.args)
            format_call(event)
            format_result(event.name, event.ret)
        if isinstance(event, Unparsed):
            assert event.why
            assert len(event.text) <= 200
            assert len(event.why) < 300
    assert reader.unparsed == sum(isinstance(event, Unparsed) for event in events)
    return events, reader


def damaged(rng: random.Random, raw: bytes) -> bytes:
    """The bytes with a few of them changed, taken out, doubled or the end cut off."""
    data = bytearray(raw)
    for _ in range(rng.randrange(1, 30)):
        at = rng.randrange(len(data))
        kind = rng.randrange(5)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del data[at : at + rng.randrange(1, 20)]
        elif kind == 3:
            data[at:at] = data[at : at + rng.randrange(1, 60)]
        else:
            data[at:at] = rng.choice([b"9" * 40, b"[{(", b'"', b"\\", b" = ", b"<", b"\0", b"/*"])
    if rng.random() < 0.3:
        del data[rng.randrange(len(data)) :]
    return bytes(data)


@pytest.mark.parametrize("name", ["forms.strace", "threads.strace"])
@pytest.mark.parametrize("seed", range(40))
def test_damaged_log_is_read_to_its_end(tmp_path: Path, name: str, seed: int) -> None:
    raw = damaged(random.Random(seed), (DATA / name).read_bytes())
    _, reader = read_bytes(tmp_path / "log", raw)
    assert reader.lines == len(raw.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n"))


@pytest.mark.parametrize("seed", range(30))
def test_log_cut_anywhere_loses_its_last_line_only(tmp_path: Path, seed: int) -> None:
    raw = (DATA / "forms.strace").read_bytes()
    at = random.Random(seed).randrange(1, len(raw))
    events, reader = read_bytes(tmp_path / "log", raw[:at])
    assert [event.line for event in events if isinstance(event, Unparsed)] in ([], [reader.lines])


@given(st.text(max_size=80))
def test_any_line_is_one_event_or_a_part_of_one(line: str) -> None:
    reader = StraceReader()
    reader.feed(line)
    reader.finish()
    assert len(reader.take()) + reader.notes == 1


@given(st.text(alphabet='0123456789abx"\\<>=(){}[],| /*.?-+_ADMPRT', max_size=60))
def test_any_arguments_are_one_event(text: str) -> None:
    reader = StraceReader()
    reader.feed(f"8 mmap({text}) = 0")
    reader.finish()
    assert len(reader.take()) == 1


MONSTERS = {
    "one long line": b"8 munmap(" + b"1" * (10 << 20) + b") = 0",
    "long string": b'8 open("' + b"a" * (10 << 20) + b'", 0) = 3',
    "deep arrays": b"8 munmap(" + b"[" * 500000 + b") = 0",
    "deep structures": b"8 close({" + b"a={" * 200000 + b") = 0",
    "deep macros": b"8 close(" + b"f(" * 300000 + b") = 0",
    "many arguments": b"8 close(" + b"1, " * 300000 + b"1) = 0",
    "many elements": b"8 clone3([" + b"1, " * 100000 + b"1], 0) = 0",
    "many results": b"8 read(~" + b") = " * 250000 + b"0",
    "many comments": b"8 close(3" + b" /* */" * 100000 + b") = 0",
    "many brackets": b"8 close(3" + b"<" * 200000 + b") = 0",
    "many spaces": b"8" + b" " * 900000 + b"x",
    "spaces and results": b"8 read(~)" + (b" " * 1000 + b")") * 900 + b" = 0",
    "many terms": b"8 close(" + b"1|" * 100000 + b"1) = 0",
    "many products": b"8 close(" + b"0*" * 100000 + b"1) = 0",
    "many escapes": b'8 open("' + b"\\377" * 200000 + b'", 0) = 3',
    "many digits": b"9" * 900000 + b" close(3) = 0",
    "many digits of a result": b"8 close(3) = " + b"9" * 900000,
    "many digits of an error": b"8 close(3) = -1 (errno " + b"9" * 900000 + b")",
    "long name": b"8 " + b"a" * 900000 + b"(3) = 0",
    "long constant": b"8 mprotect(0, 0, " + b"A" * 900000 + b") = 0",
    "zeros": b"\0" * 900000,
    "not UTF-8": b"\xff\xfe" * 400000,
}


# One of each kind of reader's work; the others are as much of the same.
QUICK = ("long string", "deep arrays", "many arguments", "many results", "zeros")


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[] if kind in QUICK else [pytest.mark.slow]) for kind in MONSTERS],
)
def test_monstrous_line_costs_one_event_and_little_memory(tmp_path: Path, kind: str) -> None:
    (tmp_path / "log").write_bytes(MONSTERS[kind] + b"\n" + GOOD.encode() + b"\n")
    reader = StraceReader()
    tracemalloc.start()
    events = list(read_events(LineSource(str(tmp_path / "log")), reader))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(events) == 2
    assert isinstance(events[1], Call)
    assert (events[1].line, events[1].ret) == (2, 0)
    assert peak < 64 << 20


def test_length_of_2_to_the_63_is_a_number_like_any_other(tmp_path: Path) -> None:
    events, _ = read_bytes(
        tmp_path / "log", b"8 munmap(0x1000, 9223372036854775808) = -1 EINVAL (x)\n"
    )
    assert isinstance(events[0], Call)
    assert events[0].args[1] == 1 << 63


def test_line_just_short_of_the_cap_is_read(tmp_path: Path) -> None:
    padding = b" " * (MAX_LINE - 20)
    events, _ = read_bytes(tmp_path / "log", b"8 close(3)" + padding + b" = 0\n")
    assert isinstance(events[0], Call)


def test_unfinished_calls_of_too_many_threads_are_complained_about() -> None:
    reader = StraceReader()
    text = "a" * (MAX_LINE - 100)
    held, threads = Pending("open", text, 1, 0.0), 1
    while reader._pending.add(threads, held):
        threads += 1
    assert threads == 1 + MAX_PENDING // held.cost()
    reader.feed(f'{threads} open("{text} <unfinished ...>')
    (rejected,) = reader.take()
    assert isinstance(rejected, Unparsed)
    assert "too much text" in rejected.why


def test_stack_frames_without_end_are_complained_about() -> None:
    reader = StraceReader()
    reader.feed(GOOD)
    for _ in range(MAX_FRAMES + 5):
        reader.feed(" > /x(f+0x1) [0x1]")
    assert reader.unparsed == 5


def test_gzip_that_ends_too_early_is_located(tmp_path: Path) -> None:
    raw = gzip.compress("".join(f"{GOOD} <0.{n:06}>\n" for n in range(5000)).encode())
    events, reader = read_bytes(tmp_path / "log", raw[: len(raw) // 2])
    assert isinstance(events[-1], Unparsed)
    assert "cannot be read further" in events[-1].why
    assert events[-1].line == reader.lines > 100


def test_gzip_that_is_broken_is_located(tmp_path: Path) -> None:
    events, _ = read_bytes(tmp_path / "log", b"\x1f\x8b\x08\0" + b"\xff" * 100)
    assert [type(event) for event in events] == [Unparsed]


def test_file_that_grows_without_end_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(gzip.compress(b"\n" * (4 << 20)))
    source = LineSource(str(path), limit=1 << 20)
    assert sum(len(batch) for batch in source) <= 1 << 20
    assert source.broken == f"the file holds more than {1 << 20} bytes"


def test_line_without_end_is_given_up(tmp_path: Path) -> None:
    """A sparse file is one line of zeros."""
    (tmp_path / "log").write_text(GOOD + "\n", "utf-8")
    os.truncate(tmp_path / "log", 1 << 40)
    source = LineSource(str(tmp_path / "log"))
    assert sum(len(line) for batch in source for line in batch) < 2 * MAX_LINE
    assert source.broken == f"a line of more than {MAX_SKIPPED} bytes: not text"


def test_empty_log_has_no_events(tmp_path: Path) -> None:
    events, reader = read_bytes(tmp_path / "log", b"")
    assert (events, reader.lines) == ([], 0)


def test_lines_may_end_as_in_windows(tmp_path: Path) -> None:
    events, _ = read_bytes(tmp_path / "log", f"{GOOD}\r\n{GOOD}\r\n".encode())
    assert [type(event) for event in events] == [Call, Call]


def outcome(read: Callable[[], object]) -> object:
    """What reading gives, or the error that refuses the input."""
    try:
        return read()
    except ReadError as error:
        return error


@given(st.binary(max_size=200))
def test_any_snapshot_is_read_or_refused(raw: bytes) -> None:
    text = raw.decode("utf-8", "surrogateescape")
    found = outcome(lambda: parse_smaps(text, "x"))
    assert found.line > 0 if isinstance(found, ReadError) else isinstance(found, list)


@given(st.binary(max_size=200))
def test_any_meta_is_read_or_refused(raw: bytes) -> None:
    found = outcome(lambda: parse_meta(raw, "meta.json"))
    assert isinstance(found, Meta) or str(found).startswith("meta.json")


@pytest.mark.parametrize("seed", range(20))
def test_damaged_steps_are_read_or_refused(tmp_path: Path, seed: int) -> None:
    vma = "7f0000000000-7f0000002000 rw-p 00000000 00:00 0  | rd wr mr mw me ac "
    raw = "".join(f"@{n} 50 X mmap 1 0 1\n{vma}\n" for n in range(1, 30)).encode()
    path = tmp_path / "steps.txt"
    path.write_bytes(damaged(random.Random(seed), raw))
    found = outcome(lambda: list(read_steps(str(path))))
    assert found.line > 0 if isinstance(found, ReadError) else isinstance(found, list)


def test_snapshot_in_one_endless_line_is_refused(tmp_path: Path) -> None:
    (tmp_path / "final.smaps").write_bytes(b"1000-2000 " + b"r" * (5 << 20))
    with pytest.raises(ReadError, match="longer than"):
        read_snapshot(str(tmp_path / "final.smaps"))


def test_images_of_a_description_are_bounded() -> None:
    names = ", ".join(f'"{pid}.0": {{}}' for pid in range(MAX_IMAGES + 1))
    with pytest.raises(ReadError, match="images: no more than 65536 images expected"):
        parse_meta(f'{{"images": {{{names}}}}}'.encode(), "meta.json")
