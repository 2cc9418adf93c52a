# SPDX-License-Identifier: GPL-2.0-or-later
"""Random streams are repeatable and harmless."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from vmalab.calls.call import Call
from vmalab.check.draw import PAGE
from vmalab.check.generator import Generator
from vmalab.check.moves.other_calls import lock_placed
from vmalab.check.profiles import PROFILES, SHOWS_PAGES, settings_for
from vmalab.linux.include.uapi.mman import MLOCK_ONFAULT
from vmalab.targets.real.real import Abilities
from vmalab.targets.real.settings import KERNEL, PLACES, Settings
from vmalab.targets.real.wire import add_call, pack

ALL = Abilities(True, True, True, True, True, True, True, True, secretmem=True)
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


@pytest.mark.parametrize("profile", ["errno", "mix"])
def test_the_key_of_the_workers_memory_is_not_freed(profile: str) -> None:
    """Who got it next could forbid to write there."""
    freed = [made for made in stream(profile, 2, 20_000) if made.name == "pkey_free"]
    assert freed
    assert all(made.args[0] != 0 for made in freed)


def test_calls_that_a_kernel_lacks_are_left_out() -> None:
    none = Abilities()
    for profile in PROFILES:
        names = {made.name for made in stream(profile, 3, 500, none)}
        assert not names & {"shmget", "mbind", "set_mempolicy", "openat", "memfd_secret"}


def test_nobody_gives_up_rights_that_he_has_not() -> None:
    assert all(settings_for("lock", seed, Abilities()).uid == 0 for seed in range(12))
    assert any(settings_for("lock", seed, ALL).uid != 0 for seed in range(12))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_target_without_file_systems_has_its_folder_alone(profile: str) -> None:
    """The code of a kernel tree mounts nothing."""
    alone = replace(ALL, places=())
    assert {settings_for(profile, seed, alone).place for seed in range(6)} == {Settings().place}


def test_only_a_guests_kernel_is_told_other_settings() -> None:
    told = [settings_for("mix", seed, ALL).kernel for seed in range(30)]
    assert not any(told)
    guest = replace(ALL, kernel=KERNEL)
    told = [settings_for("mix", seed, guest).kernel for seed in range(60)]
    assert () in told
    assert len(set(told)) > 8
    placed = {one for seed in range(60) for one, _ in settings_for("place", seed, guest).kernel}
    assert placed
    assert all("shmem" in one for one in placed)


@pytest.mark.parametrize("profile", SHOWS_PAGES)
def test_where_pages_show_a_touch_brings_one(profile: str) -> None:
    """How many it brings with huge pages of shared memory, free memory decides."""
    guest = replace(ALL, kernel=KERNEL)
    told = {one for seed in range(99) for one in settings_for(profile, seed, guest).kernel}
    assert {name for name, value in told if "shmem" in name and value != "deny"} == set()
    assert len(told) > 8


def test_only_profiles_with_files_have_them_on_other_file_systems() -> None:
    guest = replace(ALL, places=PLACES)
    assert {settings_for("file", seed, guest).place for seed in range(60)} == set(PLACES)
    assert {settings_for("dense", seed, guest).place for seed in range(20)} == {PLACES[0]}


def test_large_memory_is_locked_only_as_far_as_it_is_touched() -> None:
    """Else a kernel would bring pages until it has none left."""
    source = Generator("lock", 4, ALL, START_BRK, OWN).source
    source.placed.append((0x600000000000, 1 << 45))
    locked = [lock_placed(source) for _ in range(200)]
    large = [made for made in locked if made.args[1] == 1 << 45]
    assert len(large) > 50
    assert all(made.name == "mlock2" and made.args[2] == MLOCK_ONFAULT for made in large)
    assert any(made.name == "mlock" for made in locked)


def test_stacks_are_touched_below_their_start() -> None:
    generator = Generator("stack", 1, ALL, START_BRK, OWN)
    generator.source.show([(0x10100000, 0x10104000)])
    touched = {
        made.args[1] for made in (generator.next() for _ in range(400)) if made.name == "getrlimit"
    }
    assert any(0x10100000 - PAGE <= address < 0x10100000 for address in touched)
    assert any(0x10100000 - 257 * PAGE <= address < 0x10100000 - 255 * PAGE for address in touched)
