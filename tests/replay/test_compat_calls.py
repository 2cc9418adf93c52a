# SPDX-License-Identifier: GPL-2.0-or-later
"""64-bit programs that make 32-bit calls (int 0x80): mapped apart, answered in 32 bits."""

from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay

DATA = Path(__file__).parents[1] / "data" / "int80"


@pytest.mark.parametrize(
    ("name", "most"),
    # The first place of 32-bit calls, and that of MAP_32BIT.
    [("random", 2), ("random-legacy", 2), ("log.strace", 2), ("log-legacy.strace", 2)],
)
def test_places_are_predicted_from_the_first(name: str, most: int) -> None:
    total = Replay(RecordingFiles(str(DATA / name)), Options()).run().total
    assert total.memory_calls >= 30
    assert (total.differ, total.steps) == (0, total.steps_identical)
    assert 1 <= total.adopted_reasons["random place"] <= most
    assert set(total.adopted_reasons) <= {"random place", "unknown layout"}


def test_a_log_shows_the_legacy_layout_by_its_first_place() -> None:
    log = str(DATA / "log-unknown-legacy.strace")
    assert "personality" not in Path(log).read_text()
    total = Replay(RecordingFiles(log), Options()).run().total
    assert (total.memory_calls, total.differ) == (60, 0)
    assert total.adopted <= 10


LOG = """\
5 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {0:#x}
5 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {1:#x}
5 munmap({0:#x}, 4096) = 0
5 mmap(NULL, 4096, PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {2:#x}
"""
UP, DOWN = 0x2B32_F4C6_D000, 0x7FFF_1234_5000


@pytest.mark.parametrize(
    ("places", "differ"),
    [
        ((UP, UP + 4096, UP), 0),
        ((DOWN, DOWN - 8192, DOWN), 0),
        ((UP, UP + 8192, UP), 1),
        ((UP, UP + 4096, UP + 12288), 1),
    ],
    ids=["upwards", "downwards", "a hole", "no reuse"],
)
def test_what_follows_the_first_place_is_predicted(
    tmp_path: Path, places: tuple[int, ...], differ: int
) -> None:
    log = tmp_path / "calls.strace"
    log.write_text(LOG.format(*places))
    total = Replay(RecordingFiles(str(log)), Options()).run().total
    assert (total.differ, total.adopted) == (differ, 1)
