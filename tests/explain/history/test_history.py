# SPDX-License-Identifier: GPL-2.0-or-later
"""The painted map is the map: at every call, on real recordings; and bounded, whatever comes."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmalab.calls.call import Call
from vmalab.explain.history.areas import Areas
from vmalab.explain.history.history import History, ImageHistory
from vmalab.explain.history.looks import MIXED, NO_ACCESS, Look, look_of
from vmalab.explain.history.pieces import Boundary, Piece, coarser
from vmalab.linux.fs.proc.task_mmu import mm_vmas
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay

EXAMPLES = Path(__file__).parents[3] / "examples"
NAMES = ("dense-1", "python-rlimit-as", "sqlite3")

Painted = list[tuple[int, int, Look]]


def joined(parts: Painted) -> Painted:
    """The same, with neighbours that touch and look the same as one."""
    found: Painted = []
    for start, end, look in sorted(parts):
        if found and found[-1][1] == start and found[-1][2] == look:
            found[-1] = (found[-1][0], end, look)
        else:
            found.append((start, end, look))
    return found


class Witness(Observer):
    """Writes the whole map down after each call."""

    def __init__(self) -> None:
        self.maps: list[Painted] = []
        self.cuts: list[list[int]] = []

    def began(self, state: ImageState, mm: Mm) -> None:
        self.maps, self.cuts = [], []
        self._look(mm)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        self._look(mm)

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        self.maps.pop()
        self.cuts.pop()
        self._look(mm)

    def _look(self, mm: Mm) -> None:
        vmas = mm_vmas(mm)
        self.maps.append(joined([(vma.vm_start, vma.vm_end, look_of(vma)) for vma in vmas]))
        ends = {vma.vm_end for vma in vmas}
        self.cuts.append([vma.vm_start for vma in vmas if vma.vm_start in ends])


def _history(name: str, *others: Observer) -> ImageHistory:
    history = History()
    Replay(RecordingFiles(str(EXAMPLES / name)), Options(observers=(history, *others))).run()
    (image,) = history.images.values()
    return image


@pytest.mark.parametrize("name", NAMES)
def test_the_painted_map_is_the_map_after_every_call(name: str) -> None:
    witness = Witness()
    image = _history(name, witness)
    assert image.areas.grain == 1
    assert len(witness.maps) == image.series.calls + 1
    for index, shown in enumerate(witness.maps):
        there = [piece for piece in image.pieces if piece.first <= index < piece.last]
        painted = [(piece.start, piece.end, piece.look) for piece in there]
        assert joined(painted) == shown
        cuts = [cut.address for cut in image.boundaries if cut.first <= index < cut.last]
        assert cuts == witness.cuts[index]


@pytest.mark.parametrize("name", NAMES)
def test_the_last_pieces_add_up_to_what_is_mapped_and_what_may_not_be_accessed(name: str) -> None:
    image = _history(name)
    last = [piece for piece in image.pieces if piece.last == image.series.calls + 1]
    assert sum(piece.end - piece.start for piece in last) >> 12 == image.series.all()[-1].total
    kept = sum(piece.end - piece.start for piece in last if piece.look[0] == NO_ACCESS)
    assert kept == image.areas.no_access


def test_a_piece_names_the_call_that_made_it() -> None:
    image = _history("sqlite3")
    made = [piece for piece in image.pieces if piece.call is not None]
    assert made
    for piece in made:
        assert piece.call is not None
        if piece.call.name == "mmap":
            ret = piece.call.ret
            assert ret is not None
            assert ret <= piece.start < piece.end <= ret + (piece.call.args[1] + 4095 & -4096)


def test_causes_add_up_to_the_number_of_vmas() -> None:
    image = _history("python-rlimit-as")
    samples = image.series.all()
    grown = sum(cause.grew - cause.shrank for cause in image.causes.values())
    assert grown == samples[-1].vmas - samples[0].vmas
    assert sum(cause.calls for cause in image.causes.values()) == image.series.calls


def test_failed_calls_are_kept_with_their_lines() -> None:
    image = _history("python-rlimit-as")
    assert len(image.failed) == image.series.failures
    assert {(failed.errno, failed.text.split("(")[0]) for failed in image.failed} == {
        ("ENOMEM", "mmap")
    }


def test_a_replay_that_stops_on_its_way_has_a_painted_map() -> None:
    history = History()
    recording = RecordingFiles(str(EXAMPLES / "dense-1"))
    Replay(recording, Options(observers=(history,), until=100)).run()
    (image,) = history.images.values()
    assert (image.series.calls, image.pieces) == (100, [])
    history.finish()
    assert max(piece.last for piece in image.pieces) == 101


def test_of_many_images_those_with_most_calls_are_kept() -> None:
    history = History(limit=1)
    for name in ("sqlite3", "dense-1", "guards"):
        Replay(RecordingFiles(str(EXAMPLES / name)), Options(observers=(history,))).run()
    assert [image.series.calls for image in history.images.values()] == [2000]
    assert history.left_out == 2


ANY: Look = ("anonymous", "rw-p", "", "")
OTHER: Look = ("no access", "---p", "", "")
PIECES = st.builds(
    lambda page, pages, first, life, look: Piece(
        page << 12, (page + pages) << 12, first, first + life, look, None
    ),
    st.integers(0, 100),
    st.integers(1, 9),
    st.integers(0, 500),
    st.integers(1, 80),
    st.sampled_from((ANY, OTHER)),
)


@given(
    st.lists(PIECES, max_size=60),
    st.sampled_from((1, 2, 8, 64, 1024)),
    st.sampled_from((0, 4096, 1 << 20)),
)
def test_coarser_pieces_cover_what_the_fine_ones_did(
    pieces: list[Piece], grain: int, slack: int
) -> None:
    found = coarser(pieces, grain, slack)
    assert sum(piece.count for piece in found) == len(pieces)
    for piece in pieces:
        assert any(
            whole.start <= piece.start
            and piece.end <= whole.end
            and whole.first <= piece.first < whole.first + grain
            and whole.last - grain < piece.last <= whole.last
            and (whole.look == piece.look or whole.look[0] in (piece.look[0], MIXED))
            for whole in found
        )


def told(pieces: list[Piece]) -> list[tuple[object, ...]]:
    return [
        (one.start, one.end, one.first, one.last, one.look, one.call, one.count) for one in pieces
    ]


def test_different_kinds_put_together_are_mixed() -> None:
    one = Piece(0x1000, 0x2000, 5, 7, ANY, None)
    other = Piece(0x2000, 0x3000, 6, 7, OTHER, None)
    assert told(coarser([one, other], 8, 0)) == [
        (0x1000, 0x3000, 5, 7, (MIXED, "rw-p", "", ""), None, 2)
    ]
    assert coarser([one, other], 2, 0) == [one, other]


def test_holes_are_overlooked_up_to_a_size() -> None:
    one = Piece(0x1000, 0x2000, 5, 9, ANY, None)
    other = Piece(0x3000, 0x4000, 5, 9, ANY, None)
    assert coarser([one, other], 1, 0xFFF) == [one, other]
    assert told(coarser([one, other], 1, 0x1000)) == [(0x1000, 0x4000, 5, 9, ANY, None, 2)]


@pytest.mark.parametrize("limit", [10, pytest.param(60, marks=pytest.mark.slow), 400])
def test_the_past_is_bounded(limit: int) -> None:
    areas = Areas(limit)

    class Keeper(Observer):
        def began(self, state: ImageState, mm: Mm) -> None:
            areas.look_at(mm, 0, 1 << 47, 0, None)
            self.index = 0

        def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
            self.index += 1
            areas.look_at(mm, 0, 1 << 47, self.index, call)
            assert len(areas.pieces) <= limit
            assert len(areas.boundaries) <= limit

    keeper = Keeper()
    Replay(RecordingFiles(str(EXAMPLES / "dense-1")), Options(observers=(keeper,))).run()
    pieces, boundaries = areas.finish(keeper.index)
    assert 0 < len(pieces) <= limit
    assert len(boundaries) <= limit
    assert areas.grain > 1


def test_boundaries_are_by_address_then_time() -> None:
    image = _history("dense-1")
    assert image.boundaries == sorted(image.boundaries, key=lambda cut: (cut.address, cut.first))
    assert all(isinstance(cut, Boundary) and cut.first < cut.last for cut in image.boundaries)


def test_recorded_resident_sizes_are_those_of_the_snapshots(tmp_path: Path) -> None:
    copy = tmp_path / "recording"
    shutil.copytree(EXAMPLES / "dense-1", copy)
    for snapshot in copy.rglob("*.smaps"):
        text = snapshot.read_text()
        snapshot.write_text(text.replace("VmFlags:", "Rss:                   8 kB\nVmFlags:"))
    history = History()
    Replay(RecordingFiles(str(copy)), Options(observers=(history,))).run()
    (image,) = history.images.values()
    counts = [len(path.read_text().split("VmFlags")) - 1 for path in _in_order(copy)]
    assert [size for _, size in image.resident] == [count * 8192 for count in counts]
    assert [index for index, _ in image.resident] == [0, 333, 666, 999, 1332, 1665, 1998, 2000]


def _in_order(recording: Path) -> list[Path]:
    (image,) = (recording / "images").iterdir()
    checkpoints = sorted(
        image.glob("checkpoint-*"), key=lambda path: int(path.stem.partition("-")[2])
    )
    return [image / "initial.smaps", *checkpoints, image / "final.smaps"]
