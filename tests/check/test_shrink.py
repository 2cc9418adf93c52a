# SPDX-License-Identifier: GPL-2.0-or-later
"""What fails in a stream shrinks to what matters; a rule stands in the place of a kernel."""

from collections.abc import Callable, Sequence

from vmalab.calls.call import U64_MAX, Call
from vmalab.check.draw import PAGE, call
from vmalab.check.finding import MAP, RESULT, Divergence
from vmalab.check.generator import Generator
from vmalab.check.shrink import Run, Shrinker, shrink
from vmalab.check.simpler import joined, pinned, plainer, substitutes
from vmalab.linux.include.uapi import mman as m
from vmalab.targets.real.real import Abilities
from vmalab.targets.real.settings import Settings

START_BRK = 0x47D000
BASE = 0x10000000
ALL = Abilities(True, True, True, True, True, True, True, True)


def stream(profile: str, seed: int, count: int) -> list[Call]:
    generator = Generator(profile, seed, ALL, START_BRK, ())
    return [generator.next() for _ in range(count)]


def anon(start: int, pages: int, prot: int = 3, flags: int = 0x32) -> Call:
    return call("mmap", start, pages * PAGE, prot, flags, U64_MAX, 0)


def shown(calls: Sequence[Call]) -> list[tuple[str, tuple[int, ...], object]]:
    return [(made.name, made.args, made.mem) for made in calls]


def names(found: Divergence) -> list[str]:
    return [made.name for made in found.calls]


def silent(settings: Settings, calls: Sequence[Call]) -> Sequence[int | None]:
    """A kernel that answers nothing."""
    return ()


def rule(fails: Callable[[Sequence[Call]], bool], kind: str = RESULT) -> Run:
    """Differs at the last call of a list for which the rule holds."""

    def run(settings: Settings, calls: Sequence[Call]) -> Divergence | None:
        if not calls or not fails(calls):
            return None
        return Divergence(tuple(calls), kind, 0, -12, "range" if kind == MAP else "")

    return run


def smallest(run: Run, calls: Sequence[Call], settings: Settings | None = None) -> Divergence:
    found = run(settings or Settings(), calls)
    assert found is not None
    return shrink(run, silent, found, settings or Settings())[0]


def in_order(needed: Sequence[str]) -> Run:
    """Differs when calls of these names come in this order, the last one at the end."""

    def fails(calls: Sequence[Call]) -> bool:
        left = list(needed)
        for made in calls:
            if left and made.name == left[0]:
                left.pop(0)
        return not left and calls[-1].name == needed[-1]

    return rule(fails)


def test_only_what_is_needed_stays() -> None:
    calls = [made for made in stream("mix", 9, 400) if made.name != "mlockall"]
    calls += [call("mlockall", 1), *stream("dense", 1, 60), call("munlockall")]
    assert names(smallest(in_order(["mlockall", "munlockall"]), calls)) == [
        "mlockall",
        "munlockall",
    ]


def test_ranges_get_small_and_plain() -> None:
    calls = (anon(BASE + 0x8000, 9, 7), call("mprotect", BASE + 0x8000, 5 * PAGE, 5))
    run = rule(lambda tried: tried[-1].name == "mprotect", MAP)
    assert shown(smallest(run, calls).calls) == shown([call("mprotect", BASE, PAGE, 1)])


def test_another_failure_is_not_taken_for_the_same() -> None:
    calls = tuple(stream("dense", 4, 50))

    def run(settings: Settings, tried: Sequence[Call]) -> Divergence | None:
        if len(tried) < len(calls):
            return Divergence(tuple(tried), RESULT, -1, -2)
        return Divergence(tuple(tried), RESULT, -3, -4)

    assert len(smallest(run, calls).calls) == len(calls)


def test_descriptors_are_renumbered_when_an_open_goes() -> None:
    calls = (
        call("memfd_create", 0, 0, mem={0: "a"}),
        call("memfd_secret", 0),
        call("ftruncate", 4, PAGE),
    )

    def fails(tried: Sequence[Call]) -> bool:
        opened = sum(made.name.startswith("memfd_") for made in tried)
        return tried[-1].name == "ftruncate" and tried[-1].args[0] == 2 + opened > 2

    best = smallest(rule(fails), calls)
    assert len(best.calls) == 2
    assert best.last.args[0] == 3


def test_segments_are_renumbered_when_one_goes() -> None:
    calls = (call("shmget", 0, PAGE, 0), call("shmget", 0, PAGE, 0), call("shmat", 1, BASE, 0))

    def fails(tried: Sequence[Call]) -> bool:
        made = sum(one.name == "shmget" for one in tried)
        return tried[-1].name == "shmat" and tried[-1].args[0] == made - 1 >= 0

    best = smallest(rule(fails), calls)
    assert names(best) == ["shmget", "shmat"]
    assert best.last.args[0] == 0


def test_two_calls_that_undo_each_other_go_together() -> None:
    """Neither can be left out alone."""

    def fails(tried: Sequence[Call]) -> bool:
        depth = sum(made.name == "mlockall" for made in tried)
        return tried[-1].name == "brk" and depth == sum(made.name == "munlockall" for made in tried)

    calls = (call("mlockall", 1), call("munlockall"), call("brk", 0))
    assert names(smallest(rule(fails), calls)) == ["brk"]


def test_a_full_map_becomes_a_smaller_one() -> None:
    """What only filled the map goes, and the limit with it."""
    calls = [anon(BASE + i * 0x2000, 1) for i in range(20)] + [call("munmap", BASE, PAGE)]
    start = Settings(max_map_count=31)

    def run(settings: Settings, tried: Sequence[Call]) -> Divergence | None:
        full = len(tried) - 1 == settings.max_map_count - 11
        if full and tried[-1].name == "munmap":
            return Divergence(tuple(tried), RESULT, 0, -12)
        return None

    found = run(start, calls)
    assert found is not None
    best, settings = shrink(run, silent, found, start)
    assert len(best.calls) <= 2
    assert settings.max_map_count == 11 + len(best.calls) - 1


def test_a_limit_that_was_filled_becomes_one_that_allows_nothing() -> None:
    def bound(pages: int) -> Call:
        limits = {"rlim_cur": pages * PAGE, "rlim_max": 1 << 40}
        return call("prlimit64", 0, 9, 0, 0, mem={2: limits})

    def fails(tried: Sequence[Call]) -> bool:
        limits = [made.mem[2] for made in tried if made.name == "prlimit64" and made.mem]
        used = sum(made.args[1] for made in tried[:-1] if made.name == "mmap")
        room = [one["rlim_cur"] for one in limits if isinstance(one, dict)]
        return tried[-1].name == "mmap" and any(used >= limit for limit in room)

    calls = [*(anon(BASE + i * 0x4000, 2) for i in range(9)), bound(18), anon(BASE, 1)]
    best = smallest(rule(fails), calls)
    assert names(best) == ["prlimit64", "mmap"]
    assert best.calls[0].mem == {2: {"rlim_cur": 0, "rlim_max": 1 << 40}}


def test_worker_starts_as_usual_where_that_makes_no_difference() -> None:
    start = Settings(keeps_vdso=True, uid=65534, caps=0, stack=1 << 20, memlock=0)

    def run(settings: Settings, tried: Sequence[Call]) -> Divergence | None:
        return Divergence(tuple(tried), RESULT, 0, -1) if settings.memlock == 0 else None

    found = run(start, [call("munlockall")])
    assert found is not None
    assert shrink(run, silent, found, start)[1] == Settings(memlock=0)


def test_places_that_the_kernel_chose_are_asked_for() -> None:
    """Mappings that only decided where another one went are left out then."""
    calls = [anon(0, 1, flags=0x22) for _ in range(4)]
    calls.append(call("munmap", 0x7F0000003000, PAGE))

    def place(tried: Sequence[Call], index: int) -> int:
        made = tried[index]
        return made.args[0] if made.args[3] & m.MAP_FIXED else 0x7F0000000000 + index * PAGE

    def answers(settings: Settings, tried: Sequence[Call]) -> Sequence[int | None]:
        return [place(tried, index) for index in range(len(tried) - 1)]

    def fails(tried: Sequence[Call]) -> bool:
        places = [place(tried, index) for index in range(len(tried) - 1)]
        return tried[-1].name == "munmap" and tried[-1].args[0] in places

    run = rule(fails)
    found = run(Settings(), calls)
    assert found is not None
    best, _ = shrink(run, answers, found, Settings())
    assert names(best) == ["mmap", "munmap"]
    assert best.calls[0].args[3] & m.MAP_FIXED


def test_neighbours_become_one_call() -> None:
    """Every page must be mapped, so none of the calls can go; one call can map them."""

    def fails(tried: Sequence[Call]) -> bool:
        mapped = {
            page
            for made in tried
            for page in range(made.args[0], made.args[0] + made.args[1], PAGE)
            if made.name == "mmap"
        }
        return mapped >= {BASE, BASE + PAGE, BASE + 2 * PAGE} and tried[-1].name == "munlockall"

    calls = (anon(BASE + PAGE, 1), anon(BASE, 1), anon(BASE + 2 * PAGE, 1), call("munlockall"))
    best = smallest(rule(fails), calls)
    assert shown(best.calls) == shown([anon(BASE, 3), call("munlockall")])


def test_a_rare_call_gives_way_to_a_plain_one() -> None:
    """Something must map the page that is unmapped at the end, no matter what."""
    calls = (
        anon(BASE + 0x8000, 1),
        call("mremap", BASE + 0x8000, PAGE, PAGE, 3, BASE),
        call("mlock", BASE, PAGE),
    )

    def fails(tried: Sequence[Call]) -> bool:
        return tried[-1].name == "mlock" and any(
            made.args[4 if made.name == "mremap" else 0] == BASE for made in tried[:-1]
        )

    best = smallest(rule(fails), calls)
    assert shown(best.calls) == shown([anon(BASE, 1), call("mlock", BASE, PAGE)])


def test_vast_memory_is_never_made_touchable() -> None:
    """A shrunk list must not bring more pages than the one that was found."""
    vast = call("mmap", BASE, 1 << 45, 0, 0x4032, U64_MAX, 0)
    locked = call("mlock2", BASE, 1 << 45, m.MLOCK_ONFAULT)
    for made in (vast, locked, call("mremap", BASE, 1 << 45, 1 << 45, 3, 0x20000000)):
        assert list(plainer(made)) == []
        assert list(substitutes(made)) == []


def test_which_calls_can_be_one() -> None:
    one, other = call("mlock", BASE, PAGE), call("mlock", BASE + PAGE, 2 * PAGE)
    both = joined(other, one)
    assert both is not None
    assert both.args[:2] == (BASE, 3 * PAGE)
    assert joined(one, call("munlock", BASE + PAGE, PAGE)) is None
    assert joined(one, call("mlock", BASE + 2 * PAGE, PAGE)) is None
    assert joined(anon(BASE, 1), anon(BASE + PAGE, 1, 1)) is None


def test_which_mappings_can_be_pinned() -> None:
    hinted = anon(BASE, 1, flags=0x22 | m.MAP_FIXED_NOREPLACE)
    fixed = pinned(hinted, 0x7F0000000000)
    assert fixed is not None
    assert fixed.args[0] == 0x7F0000000000
    assert fixed.args[3] == 0x32
    assert pinned(hinted, -12) is None
    assert pinned(anon(BASE, 1), BASE) is None
    assert pinned(call("munmap", BASE, PAGE), 0) is None


def test_no_list_is_tried_twice() -> None:
    tried: list[str] = []

    def fails(calls: Sequence[Call]) -> bool:
        tried.append(repr(shown(calls)))
        return len(calls) > 4 and calls[-1].name == "munlockall"

    best = smallest(rule(fails), [*stream("dense", 2, 40), call("munlockall")])
    assert len(best.calls) == 5
    assert len(tried) > 20
    # The first is run to see that it fails.
    assert len(set(tried[1:])) == len(tried[1:])


def test_budget_is_kept() -> None:
    tried = 0

    def run(settings: Settings, calls: Sequence[Call]) -> Divergence | None:
        nonlocal tried
        tried += 1
        return None

    first = Divergence(tuple(stream("dense", 4, 200)), RESULT, 0, -1)
    shrinker = Shrinker(run, silent, first, Settings(), budget=25)
    assert shrinker.shrink() is first
    assert tried <= 25
