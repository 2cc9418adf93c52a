# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab convert` to the files of other programs: they hold what the replay found."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from vmalab.cli.convert import convert
from vmalab.views.exports.wire import bytes_field, number_field, varint

ROOT = Path(__file__).parents[3]
STACKS = ROOT / "scenarios/thread-stacks/recording"


def run(source: Path, target: Path, *words: str) -> Result:
    return CliRunner().invoke(convert, [*words, str(source), str(target)])


@pytest.fixture(scope="module")
def packets(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    schema = pytest.importorskip(
        "perfetto.protos.perfetto.trace.perfetto_trace_pb2",
        reason="perfetto is not installed (pip install 'vmalab[test]')",
    )
    target = tmp_path_factory.mktemp("trace") / "trace.pftrace"
    done = run(ROOT / "examples/python-rlimit-as", target)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{target}: 609 memory calls\n"
    trace = schema.Trace()
    trace.ParseFromString(target.read_bytes())
    assert trace.IsInitialized()
    assert not unknown(trace)
    return list(trace.packet)


def unknown(message: Any) -> list[str]:
    """Fields, also of messages within, that the schema does not have."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    found = [str(field.field_number) for field in UnknownFieldSet(message)]
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            parts = [value] if hasattr(value, "ListFields") else value
            for part in parts:
                found += unknown(part)
    return found


def counter(packets: list[Any], name: str) -> list[int]:
    track = next(p.track_descriptor.uuid for p in packets if p.track_descriptor.name == name)
    events = (p.track_event for p in packets if p.HasField("track_event"))
    return [e.counter_value for e in events if e.type == 4 and e.track_uuid == track]


def test_a_trace_has_the_counters_of_the_replay(packets: list[Any]) -> None:
    vmas = counter(packets, "VMAs")
    assert (vmas[0], max(vmas), vmas[-1]) == (12, 104, 103)
    assert counter(packets, "failed calls") == [0, 1, 2, 3, 4, 5, 6]
    assert max(counter(packets, "mapped")) == 267_497_472


def test_each_call_is_a_slice_with_its_line(packets: list[Any]) -> None:
    events = [p for p in packets if p.HasField("track_event")]
    begun = [p for p in events if p.track_event.type == 1]
    ended = [p for p in events if p.track_event.type == 2]
    assert len(begun) == len(ended) == 609
    failed = [p.track_event for p in begun if list(p.track_event.categories) == ["failed"]]
    notes = {note.name: note.string_value for note in failed[0].debug_annotations}
    assert notes["line"] == "635"
    assert notes["call"].startswith("mmap(NULL, 1052672, ")
    assert sum(p.track_event.type == 3 for p in events) == 6


def test_time_never_goes_back_and_slices_do_not_overlap(packets: list[Any]) -> None:
    times = [p.timestamp for p in packets if p.HasField("track_event") and p.track_event.type < 3]
    assert times == sorted(times)
    assert len(set(times)) == len(times)


def test_every_event_is_of_a_track_that_was_described(packets: list[Any]) -> None:
    known: set[int] = set()
    for packet in packets:
        if packet.HasField("track_descriptor"):
            known.add(packet.track_descriptor.uuid)
        else:
            assert packet.track_event.track_uuid in known


def test_folded_stacks_sum_up_to_all_vmas(tmp_path: Path) -> None:
    target = tmp_path / "stacks.folded"
    done = run(STACKS, target)
    assert done.stdout == f"{target}: 424 VMAs of image 9541.1 at its peak\n"
    lines = target.read_text("utf-8").splitlines()
    numbers = [int(line.rpartition(" ")[2]) for line in lines]
    assert sum(numbers) == 424
    top = lines[numbers.index(max(numbers))]
    assert ";main;pthread_create;__mprotect;mprotect 399" in top


def test_folded_stacks_of_another_measure(tmp_path: Path) -> None:
    target = tmp_path / "made.folded"
    assert run(STACKS, target, "--measure", "made").exit_code == 0
    assert sum(int(line.rpartition(" ")[2]) for line in target.read_text().splitlines()) == 413


def test_speedscope_has_a_profile_for_each_measure(tmp_path: Path) -> None:
    target = tmp_path / "stacks.speedscope.json"
    assert run(STACKS, target).exit_code == 0
    file = json.loads(target.read_text())
    assert file["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    profiles = {profile["name"]: profile for profile in file["profiles"]}
    assert list(profiles) == ["VMAs held", "VMAs ever made", "bytes mapped"]
    held = profiles["VMAs held"]
    assert held["endValue"] == sum(held["weights"]) == 424
    assert len(held["samples"]) == len(held["weights"])
    frames = file["shared"]["frames"]
    assert all(0 <= at < len(frames) for sample in held["samples"] for at in sample)
    assert {"name": "main", "file": "stacks"} in frames


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def test_a_file_of_comma_separated_values_has_every_event(tmp_path: Path) -> None:
    target = tmp_path / "calls.csv"
    assert run(ROOT / "examples/python-rlimit-as", target).stdout == f"{target}: 883 events\n"
    rows = list(rows_of(target))
    assert len(rows) == 883
    failed = [row for row in rows if row["name"] == "mmap" and row["ret"].startswith("-")]
    assert [row["line"] for row in failed] == ["635", "637", "638", "640"]
    assert failed[0]["a1"] == "1052672"


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("=cmd|' /C calc'!A0\n1 munmap(0x7f0000000000, 4096) = 0\n")
    target = tmp_path / "calls.csv"
    assert run(log, target).exit_code == 0
    first = next(rows_of(target))
    assert (first["kind"], first["text"][:5]) == ("unparsed", "'=cmd")


def test_hostile_names_do_not_end_a_frame(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "1 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000\n"
        " > /lib/a;b\x1b.so(evil;name+0x1) [0x10]\n"
    )
    target = tmp_path / "stacks.folded"
    assert run(log, target).exit_code == 0
    assert target.read_text() == "evil:name;mmap 1\n"


@pytest.mark.parametrize("name", ["x.csv", "x.pftrace", "x.folded", "x.speedscope.json"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    target.write_text("mine")
    assert "is there already" in str(run(STACKS, target).exception)
    assert target.read_text() == "mine"


@pytest.mark.parametrize("name", ["x.pftrace", "x.folded", "x.speedscope.json"])
def test_what_cannot_be_replayed_leaves_no_file(tmp_path: Path, name: str) -> None:
    log = tmp_path / "log"
    log.write_text("this is no log\n")
    assert run(log, tmp_path / name).exit_code != 0
    assert not (tmp_path / name).exists()


@given(st.integers(0, (1 << 64) - 1))
def test_a_varint_is_read_back(number: int) -> None:
    found = shift = 0
    for byte in varint(number):
        found |= (byte & 0x7F) << shift
        shift += 7
    assert found == number


def test_fields_are_as_the_documentation_has_them() -> None:
    assert number_field(1, 150) == b"\x08\x96\x01"
    assert bytes_field(2, b"testing") == b"\x12\x07testing"
