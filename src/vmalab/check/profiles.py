# SPDX-License-Identifier: GPL-2.0-or-later
"""The profiles of random streams: what each draws, and how its worker starts."""

import random
from dataclasses import replace
from typing import Final

from vmalab.check.moves import anonymous as basic
from vmalab.check.moves import edge_arguments as odd
from vmalab.check.moves import files
from vmalab.check.moves import other_calls as special
from vmalab.check.moves import stacks as stack
from vmalab.check.profile import ANON, Move, Profile
from vmalab.check.seldom import SELDOM
from vmalab.targets.real.real import Abilities
from vmalab.targets.real.settings import CHANGING_CAPS, HUGE_PAGES, LAYOUTS, Settings, unprivileged

PROFILES: Final[dict[str, Profile]] = {
    "dense": Profile(
        ((0x10000000, 32),),
        (
            *ANON,
            (basic.map_odd, 5),
            (basic.map_shared, 2),
            (basic.advise_pages, 3),
            (basic.sync, 2),
            (special.lock, 2),
            (special.unlock, 2),
            (special.merge_pages, 1),
            (basic.incore, 1),
        ),
        runs_into_map_count=True,
    ),
    "place": Profile(
        ((0x10000000, 16),),
        (
            (basic.map_anywhere, 40),
            (basic.map_hinted, 16),
            (basic.map_vast, 2),
            (basic.unmap_placed, 30),
            (basic.protect_placed, 6),
            (basic.populate_placed, 6),
            (basic.resize_placed, 8),
            (basic.grow_heap, 8),
            (basic.unmap_heap, 3),
            (basic.map_odd, 2),
        ),
    ),
    "mremap": Profile(
        ((0x10000000, 40), (0x20000000, 40)),
        (
            (basic.map_fixed, 16),
            (basic.map_gap, 8),
            (basic.map_shared, 3),
            (basic.unmap, 6),
            (basic.protect, 6),
            (basic.advise_simply, 3),
            (basic.populate, 10),
            (basic.move, 16),
            (basic.move_back, 10),
            (basic.move_several, 8),
            (basic.leave_behind, 8),
            (basic.resize, 14),
            (files.open_file, 2),
            (files.map_file, 5),
            (files.size_file, 1),
            (special.lock, 2),
            (special.unlock, 2),
            (basic.unmap_placed, 4),
            (basic.advise_pages, 1),
        ),
        runs_into_map_count=True,
    ),
    "file": Profile(
        ((0x20000000, 48),),
        (
            (files.open_file, 6),
            (files.size_file, 3),
            (files.seal_file, 2),
            (files.map_file, 30),
            (files.map_file_anywhere, 3),
            (files.close_file, 2),
            (files.open_secret, 1),
            (files.map_secret, 5),
            (basic.map_shared, 5),
            (basic.map_fixed, 6),
            (basic.unmap, 12),
            (basic.protect, 14),
            (basic.advise, 6),
            (basic.advise_pages, 4),
            (basic.populate, 8),
            (basic.remap_pages, 4),
            (basic.move, 6),
            (basic.resize, 4),
            (basic.sync, 2),
            (basic.incore, 1),
            (files.get_segment, 2),
            (files.attach, 4),
            (files.detach, 3),
            (basic.unmap_placed, 4),
        ),
    ),
    "segment": Profile(
        ((0x20000000, 48),),
        (
            (files.get_segment, 4),
            (files.attach, 12),
            (files.detach, 3),
            (basic.map_fixed, 3),
            (basic.map_gap, 3),
            (basic.unmap, 4),
            (basic.protect, 20),
            (basic.advise_simply, 10),
            (basic.populate, 4),
            (basic.move, 5),
            (basic.move_several, 2),
            (basic.resize, 10),
            (basic.remap_pages, 2),
            (special.lock, 3),
            (special.unlock, 3),
            (basic.unmap_placed, 3),
        ),
    ),
    "anonvma": Profile(
        ((0x30000000, 24), (0x40100000, 24)),
        (
            (basic.map_alike, 26),
            (basic.map_gap, 8),
            (basic.populate, 24),
            (basic.unmap, 10),
            (basic.protect, 8),
            (basic.advise_simply, 8),
            (basic.move, 8),
            (basic.move_back, 8),
            (basic.leave_behind, 4),
            (special.merge_pages, 1),
            (files.open_file, 1),
            (files.map_file, 3),
            (basic.resize, 3),
            (basic.advise_pages, 2),
        ),
    ),
    "lock": Profile(
        ((0x10000000, 32),),
        (
            *ANON,
            (special.lock, 26),
            (special.unlock, 16),
            (special.lock_all, 4),
            (special.map_locked, 4),
            (basic.resize, 6),
            (basic.move, 5),
            (basic.map_odd, 3),
            (basic.map_vast, 1),
            (special.lock_placed, 4),
            (special.unlock_placed, 2),
            (basic.unmap_placed, 3),
        ),
    ),
    "stack": Profile(
        ((0, 24), (0x10000000, 640)),
        (
            (stack.map_stack, 24),
            (stack.touch_below, 30),
            (stack.touch, 8),
            (stack.map_below, 8),
            (stack.map_low, 8),
            (basic.map_fixed, 8),
            (basic.unmap, 10),
            (basic.protect, 10),
            (basic.populate, 4),
            (basic.advise_simply, 3),
            (basic.move, 9),
            (basic.resize, 4),
            (special.lock, 3),
            (special.unlock, 2),
            (special.limit, 2),
        ),
    ),
    "limits": Profile(
        ((0x10000000, 64),),
        (
            *ANON,
            (special.limit, 6),
            (basic.map_anywhere, 6),
            (basic.unmap_placed, 5),
            (basic.grow_heap, 14),
            (basic.unmap_heap, 9),
            (basic.move, 4),
            (basic.resize, 8),
            (basic.map_shared, 3),
            (files.open_file, 3),
            (files.close_file, 2),
            (files.map_file, 6),
            (files.seal_file, 8),
            (special.lock, 5),
            (special.unlock, 3),
        ),
        runs_into_map_count=True,
    ),
    "errno": Profile(
        ((0x40000000, 24),),
        (
            (basic.map_fixed, 16),
            (basic.unmap, 4),
            (odd.odd_map, 20),
            (odd.odd_unmap, 8),
            (odd.odd_protect, 10),
            (odd.odd_advise, 14),
            (odd.odd_move, 14),
            (odd.odd_lock, 10),
            (odd.odd_sync, 6),
            (odd.odd_pages, 3),
            (odd.odd_seal, 3),
            (odd.odd_policy, 6),
            (odd.odd_file, 3),
            (odd.odd_key, 3),
            (basic.grow_heap, 2),
        ),
    ),
    "uffd": Profile(
        ((0x50000000, 24),),
        (
            *ANON,
            (special.open_uffd, 5),
            (special.register, 26),
            (special.unregister, 16),
            (basic.move, 6),
            (basic.resize, 5),
            (basic.map_shared, 5),
            (files.map_file, 3),
            (files.open_file, 2),
            (basic.unmap_placed, 2),
        ),
    ),
    "fill": Profile(
        ((0x50000000, 24),),
        (
            (basic.map_fixed, 10),
            (basic.map_alike, 6),
            (basic.map_shared, 8),
            (files.open_file, 3),
            (files.map_file, 8),
            (basic.unmap, 6),
            (basic.protect, 3),
            (basic.populate, 26),
            (special.drop_pages, 10),
            (basic.advise_simply, 2),
            (basic.move, 3),
            (special.lock, 2),
            (special.unlock, 2),
            (special.fork, 2),
            (special.leave, 2),
            (special.open_uffd, 5),
            (special.register, 30),
            (special.unregister, 5),
            (special.fill, 60),
            (special.guard_pages, 24),
        ),
    ),
    "mempolicy": Profile(
        ((0x50000000, 24),),
        (
            *ANON,
            (special.bind, 40),
            (special.set_policy, 2),
            (basic.move, 6),
            (basic.map_shared, 5),
            (files.map_file, 3),
            (files.open_file, 1),
        ),
    ),
    "mseal": Profile(
        ((0x50000000, 64), (0x60000000, 64)),
        (
            *ANON,
            (special.seal, 5),
            (files.seal_file, 4),
            (basic.move, 6),
            (basic.move_several, 4),
            (basic.resize, 6),
            (basic.advise_pages, 8),
            (files.map_file, 4),
            (files.open_file, 2),
            (basic.grow_heap, 1),
            (special.lock, 2),
            (special.unlock, 2),
        ),
        runs_into_map_count=True,
    ),
    "fork": Profile(
        ((0x30000000, 24), (0x40100000, 24)),
        (
            (basic.map_alike, 24),
            (basic.map_gap, 6),
            (basic.populate, 20),
            (basic.unmap, 9),
            (basic.protect, 8),
            (basic.advise, 6),
            (basic.advise_simply, 6),
            (basic.move, 6),
            (basic.move_back, 6),
            (basic.map_shared, 2),
            (files.map_file, 2),
            (files.open_file, 1),
            (special.lock, 2),
            (special.fork, 4),
            (special.leave, 4),
        ),
        runs_into_map_count=True,
    ),
}
PROFILES.update(SELDOM)


def _mixed() -> Profile:
    """All moves of all profiles, each profile with the same weight, those of names and keys too."""
    weights: dict[Move, int] = {special.name_range: 60, special.protect_key: 60}
    for name, profile in PROFILES.items():
        if name in ("fill", "hugetlb", "threads", "events"):
            # Which of the pages of one are mapped nobody knows any more after MADV_PAGEOUT; the
            # other works in a window as wide as many huge pages.
            continue
        total = sum(weight for _, weight in profile.moves)
        for move, weight in profile.moves:
            weights[move] = weights.get(move, 0) + 1 + 1000 * weight // total
    windows = ((0x10000000, 64), (0x20000000, 48), (0x30000000, 24), (0x50000000, 24))
    weights[basic.map_vast] = 5
    return Profile(windows, tuple(weights.items()))


PROFILES["mix"] = _mixed()

# Profiles whose processes change who they are.
CHANGES_RIGHTS: Final = ("rights", "sharing", "threads", "mix")

# Profiles with a userfaultfd, which shows which pages are there. Where a touch may bring several at
# a time, free memory decides how many it brings: such settings are told to the others.
SHOWS_PAGES: Final = ("uffd", "fill", "events", "threads", "mix")

# Profiles whose streams may have another folder than a plain tmpfs.
HAS_FILES: Final = ("file", "mremap", "descriptors", "modes", "mix")

# Profiles in which the kernel often chooses where a mapping goes.
PLACES_MUCH: Final = ("place", "compat", "mix")


def _told(profile: str, abilities: Abilities) -> tuple[tuple[str, str], ...]:
    """Return what the kernel may be told for a stream of a profile."""
    found = abilities.kernel
    if profile == "place":
        # Where shared memory is placed is what its huge pages decide.
        found = tuple(one for one in found if "shmem" in one[0]) or found
    elif profile in SHOWS_PAGES:
        found = tuple(one for one in found if "shmem" not in one[0] or one[1] in ("never", "deny"))
    return found


def settings_for(profile: str, seed: int, abilities: Abilities) -> Settings:
    """Return how the worker of a stream starts."""
    # Not by remainders of the seed: those of one profile's streams may all be the same.
    draws = random.Random(f"start/{profile}/{seed}")
    keeps_vdso, room, rights, place, told, layout = draws.choices(range(12), k=6)
    settings = Settings(keeps_vdso=keeps_vdso < 3)
    if PROFILES[profile].runs_into_map_count and abilities.sysctls:
        few = (0, 30, 45, 60) if profile == "limits" else (0, 0, 30, 45)
        settings = replace(settings, max_map_count=few[room % 4])
    if profile in ("lock", "limits") and rights < 4 and abilities.privileged:
        settings = unprivileged(settings)
    if profile in HAS_FILES and abilities.places:
        settings = replace(settings, place=abilities.places[place % len(abilities.places)])
    if profile == "hugetlb" and HUGE_PAGES in abilities.kernel and told:
        settings = replace(settings, kernel=(HUGE_PAGES,))
    elif told < 7 and (choices := _told(profile, abilities)):
        settings = replace(settings, kernel=(draws.choice(choices),))
    if profile in PLACES_MUCH and layout < len(LAYOUTS):
        settings = replace(settings, personality=LAYOUTS[layout])
    if profile in CHANGES_RIGHTS and abilities.privileged:
        settings = replace(settings, caps=CHANGING_CAPS)
    return settings
