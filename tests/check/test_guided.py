# SPDX-License-Identifier: GPL-2.0-or-later
"""Guided streams: what they vary, what they learn, what is kept of it."""

import json
from pathlib import Path

import pytest

from vmalab.calls.call import Call
from vmalab.calls.errors import ReadError
from vmalab.check import kept_runs
from vmalab.check.draw import PAGE
from vmalab.check.generator import Generator
from vmalab.check.guide import RUN, RUNS, Guidance, Guide, Learnt, Outcome, learnt_from, mark
from vmalab.check.varied import Varied
from vmalab.targets.real.config_probes import TID
from vmalab.targets.real.real import Abilities
from vmalab.targets.real.wire import add_call, pack

ALL = Abilities(True, True, True, True, True, True, True, True, secretmem=True)
START_BRK = 0x47D000
OWN = ((0x400000, START_BRK), (0x7FFFFFFDE000, 0x7FFFFFFFF000))
OUTCOME: Outcome = ("munmap", 0, -22, 0, "21 addr not a multiple of the page size")


def make(name: str, *args: int, mem: dict[int, object] | None = None) -> Call:
    return Call(TID, name, (*args, 0, 0, 0, 0, 0, 0)[:6], mem)


def generator(seed: int = 1) -> Generator:
    return Generator("dense", seed, ALL, START_BRK, OWN)


def drawn(guide: Guide, seed: int = 1, count: int = 2000) -> list[Call]:
    made = generator(seed)
    varied = Varied(made, guide)
    calls = []
    for _ in range(count):
        call = varied.next()
        made.source.note(call, 3 if call.row.makes else 0)
        calls.append(call)
    return calls


def shown(calls: list[Call]) -> list[tuple[str, tuple[int, ...], object]]:
    return [(call.name, call.args, call.mem) for call in calls]


# What a run may have from a worker that began otherwise: it is mapped where this one's stack is.
HARMFUL = (
    make("munmap", 0x7FFFFFFE0000, 8 * PAGE),
    make("mprotect", 0x400000, PAGE, 0),
    make("mremap", 0x10000000, PAGE, PAGE, 3, 0x7FFFFFFFE000),
    make("mmap", 0x401000, PAGE, 3, 0x32, (1 << 64) - 1, 0),
    make("shmat", 0, 0x400000, 0o40000),
    make("exit"),
    make("write", 1, 0, 1, mem={1: "4"}),
)
EDGES = (
    make("msync", (1 << 64) - PAGE, PAGE, 4),
    make("munmap", PAGE, (1 << 64) - 1),
    Call(TID, "munmap", (0x10000000, PAGE, 0, 0, 0, 0), abi="i386"),
)
RUNS_KNOWN = (HARMFUL, (make("munmap", 0x10000001, PAGE), make("clone", 17)), EDGES)


def test_the_same_guide_and_seed_give_the_same_stream() -> None:
    guide = Guide(RUNS_KNOWN)
    assert shown(drawn(guide)) == shown(drawn(guide))
    assert shown(drawn(guide)) != shown(drawn(Guide()))


def test_runs_are_made_again_and_varied() -> None:
    starts = [
        call.args[0] for call in drawn(Guide(RUNS_KNOWN), count=8000) if call.name == "munmap"
    ]
    assert 0x10000001 in starts
    assert any(start & (PAGE - 1) == 1 and start != 0x10000001 for start in starts)


def test_no_run_harms_the_worker_or_ends_it() -> None:
    depth = 0
    words: list[int] = []
    for call in drawn(Guide(RUNS_KNOWN), count=5000):
        add_call(words, call)
        assert call.abi == "x86_64" or max(call.args) < 1 << 32
        depth += (call.name == "clone") - (call.name == "exit")
        assert 0 <= depth <= 4
        assert call.name != "write"
        ranges = [(call.args[0], call.args[1])] if call.name != "shmat" else []
        if call.name == "mremap":
            ranges.append((call.args[4], call.args[2]))
        if call.name in ("munmap", "mprotect", "mremap", "mmap"):
            for start, length in ranges:
                for first, last in OWN:
                    assert not (start < last and first < start + length), call
    assert len(pack(words)) == 8 * len(words)


def test_only_news_is_learnt_with_the_calls_that_led_there() -> None:
    calls = [make("munmap", number * PAGE, PAGE) for number in range(100)]
    other: Outcome = ("munmap", 0, 0, -1, "")
    guide = Guide(known=frozenset((mark(other),)))
    (one,) = learnt_from(guide, {other: 3, OUTCOME: 70}, calls)
    assert one.outcome == OUTCOME
    assert one.calls == tuple(calls[71 - RUN : 71])


def test_what_is_seldom_reached_guides_more_often() -> None:
    guidance = Guidance()
    common: Outcome = ("mmap", 0x32, 0, 1, "")
    rare, usual = (make("munmap", 1, PAGE),), (make("munmap", 0, PAGE),)
    guidance.learn((Learnt(common, usual), Learnt(OUTCOME, rare), Learnt(OUTCOME, usual)))
    (guide,) = guidance.guides([5], {common: 1000, OUTCOME: 1})
    assert len(guide.runs) == RUNS
    assert guide.runs.count(rare) > guide.runs.count(usual)
    assert guide.known == {mark(common), mark(OUTCOME)}
    assert Guidance().guides([5], {}) == [Guide()]


def test_runs_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VMALAB_CACHE", str(tmp_path))
    assert kept_runs.load("live").runs == {}
    struct = {"range": {"start": 4096, "len": 4096}, "mode": 1, "ioctls": 0}
    by_32 = Call(TID, "mmap", (0, 4096, 3, 0x22, 0xFFFFFFFF, 0), abi="i386")
    run = (by_32, make("ioctl", 3, 0xC020AA00, 0, mem={2: struct}), *HARMFUL)
    kept_runs.save("live", Guidance({OUTCOME: run}))
    again = kept_runs.load("live").runs
    assert list(again) == [OUTCOME]
    assert shown(list(again[OUTCOME])) == shown(list(run))
    assert again[OUTCOME][0].abi == "i386"
    assert kept_runs.load("qemu:7.3").runs == {}


CALL = ["munmap", [1, 0, 0, 0, 0, 0], None, "x86_64"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 2, "runs": []}',
        '{"format": 1, "runs": 5}',
        '{"format": 1, "runs": [5]}',
        *(
            json.dumps({"format": 1, "runs": [{"outcome": outcome, "calls": calls}]})
            for outcome, calls in (
                (OUTCOME, 5),
                (OUTCOME, [CALL] * (RUN + 1)),
                (OUTCOME[:2], [CALL]),
                (OUTCOME, [["munmap", [1], None, "x86_64"]]),
                (OUTCOME, [["munmap", [-1, 0, 0, 0, 0, 0], None, "x86_64"]]),
                (OUTCOME, [["munmap", [1 << 64, 0, 0, 0, 0, 0], None, "x86_64"]]),
                (OUTCOME, [["no_such_call", [0] * 6, None, "x86_64"]]),
                (OUTCOME, [["openat", [0] * 6, {"1": 5}, "x86_64"]]),
                (OUTCOME, [["munmap", [0] * 6, None, "arm"]]),
                (OUTCOME, [["openat", [0] * 6, None, "i386"], CALL[:3]]),
            )
        ),
    ],
)
def test_a_file_that_was_not_written_by_this_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str
) -> None:
    monkeypatch.setenv("VMALAB_CACHE", str(tmp_path))
    path = kept_runs.path_of("live")
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(ReadError):
        kept_runs.load("live")
