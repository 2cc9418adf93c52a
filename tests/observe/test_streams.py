# SPDX-License-Identifier: GPL-2.0-or-later
"""Random streams are repeatable and harmless, and what fails in them shrinks to what matters."""

from collections.abc import Sequence

import pytest

from vmalab.calls.call import U64_MAX, Call
from vmalab.observe.finding import MAP, RESULT, Difference
from vmalab.observe.generate import PROFILES, Generator, settings_for
from vmalab.observe.shrink import Shrinker, shrink
from vmalab.observe.source import PAGE, call
from vmalab.targets.real import Abilities
from vmalab.targets.wire import add_call, add_short_call, pack

ALL = Abilities(True, True, True, True, True, True, True, True)
START_BRK = 0x47D000
OWN = ((0x400000, START_BRK), (0x7FFFFFFDE000, 0x7FFFFFFFF000))
DESTRUCTIVE = {"munmap", "mprotect", "mmap", "pkey_mprotect", "madvise", "remap_file_pages"}
TASK_SIZE = 0x7FFFFFFFF000


def stream(profile: str, seed: int, count: int, abilities: Abilities = ALL) -> list[Call]:
    """Calls of a stream whose every call is answered with success."""
    generator = Generator(profile, seed, abilities, START_BRK, OWN)
    calls = []
    for number in range(count):
        made = generator.next()
        placed = 0x7F0000000000 + number * PAGE
        answers = {"mmap": placed, "mremap": placed, "brk": START_BRK + 5 * PAGE}
        generator.source.note(made, answers.get(made.name, 3))
        calls.append(made)
    return calls


def shown(calls: Sequence[Call]) -> list[tuple[str, tuple[int, ...], object]]:
    return [(made.name, made.args, made.mem) for made in calls]


@pytest.mark.parametrize("profile", PROFILES)
def test_same_seed_gives_the_same_stream(profile: str) -> None:
    assert shown(stream(profile, 5, 300)) == shown(stream(profile, 5, 300))
    assert shown(stream(profile, 5, 300)) != shown(stream(profile, 6, 300))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_call_can_be_encoded(profile: str) -> None:
    words: list[int] = []
    for made in stream(profile, 1, 1000):
        add_call(words, made)
        add_short_call(words, made)
    assert len(pack(words)) == len(words) * 8


@pytest.mark.parametrize("profile", PROFILES)
def test_no_call_harms_the_worker(profile: str) -> None:
    """A range that the kernel would accept has none of the worker's own memory in it."""
    for made in stream(profile, 2, 3000):
        start, length = made.args[0], made.args[1]
        fixed = made.name != "mmap" or made.args[3] & 0x10
        if made.name in DESTRUCTIVE and fixed and start + length <= TASK_SIZE:
            for first, last in OWN:
                assert not (start < last and first < start + length), made


def test_calls_that_a_kernel_lacks_are_left_out() -> None:
    none = Abilities()
    for profile in PROFILES:
        names = {made.name for made in stream(profile, 3, 500, none)}
        assert not names & {"shmget", "mbind", "set_mempolicy", "openat"}


def test_nobody_gives_up_rights_that_he_has_not() -> None:
    assert all(settings_for("lock", seed, Abilities()).uid == 0 for seed in range(12))
    assert any(settings_for("lock", seed, ALL).uid != 0 for seed in range(12))


# Shrinking, with a rule in the place of a kernel.


def anon(start: int, pages: int, prot: int = 3) -> Call:
    return call("mmap", start, pages * PAGE, prot, 0x32, U64_MAX, 0)


def fails_with(needed: Sequence[str]) -> object:
    """Differs when calls of these names come in this order, the last one at the end."""

    def run(calls: Sequence[Call]) -> Difference | None:
        left = list(needed)
        for index, made in enumerate(calls):
            if left and made.name == left[0]:
                left.pop(0)
            if not left:
                return Difference(tuple(calls[: index + 1]), RESULT, 0, -12)
        return None

    return run


def test_only_what_is_needed_stays() -> None:
    calls = stream("mix", 9, 400)
    calls = [made for made in calls if made.name != "mlockall"]
    calls += [call("mlockall", 1), *stream("dense", 1, 60), call("munlockall")]
    run = fails_with(["mlockall", "munlockall"])
    found = run(calls)  # type: ignore[operator]
    best = shrink(run, found)  # type: ignore[arg-type]
    assert [made.name for made in best.calls] == ["mlockall", "munlockall"]


def test_ranges_get_small_and_plain() -> None:
    calls = (anon(0x10008000, 9, 7), call("mprotect", 0x10008000, 5 * PAGE, 5))

    def run(tried: Sequence[Call]) -> Difference | None:
        names = [made.name for made in tried]
        return Difference(tuple(tried), MAP, 0, 0, "range") if names[-1:] == ["mprotect"] else None

    first = run(calls)
    assert first is not None
    best = shrink(run, first)
    assert shown(best.calls) == shown([call("mprotect", 0x10000000, PAGE, 1)])


def test_another_failure_is_not_taken_for_the_same() -> None:
    calls = tuple(stream("dense", 4, 50))

    def run(tried: Sequence[Call]) -> Difference | None:
        if len(tried) < len(calls):
            return Difference(tuple(tried), RESULT, -1, -2)
        return Difference(tuple(tried), RESULT, -3, -4)

    first = run(calls)
    assert first is not None
    assert len(shrink(run, first).calls) == len(calls)


def test_descriptors_are_renumbered_when_an_open_goes() -> None:
    calls = (
        call("memfd_create", 0, 0, mem={0: "a"}),
        call("memfd_create", 0, 0, mem={0: "b"}),
        call("ftruncate", 4, PAGE),
    )

    def run(tried: Sequence[Call]) -> Difference | None:
        opened = sum(made.name == "memfd_create" for made in tried)
        last = tried[-1]
        if last.name == "ftruncate" and last.args[0] == 2 + opened:
            return Difference(tuple(tried), RESULT, 0, -9)
        return None

    first = run(calls)
    assert first is not None
    best = shrink(run, first)
    assert [made.name for made in best.calls] == ["ftruncate"] or best.calls[-1].args[0] == 3


def test_budget_is_kept() -> None:
    tried = 0

    def run(calls: Sequence[Call]) -> Difference | None:
        nonlocal tried
        tried += 1
        return None

    first = Difference(tuple(stream("dense", 4, 200)), RESULT, 0, -1)
    shrinker = Shrinker(run, first, budget=25)
    assert shrinker.shrink() is first
    assert tried <= 25
