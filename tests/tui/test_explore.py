# SPDX-License-Identifier: GPL-2.0-or-later
"""What the keys of `explore` do, on a small log of which every answer is known."""

from collections.abc import Iterator

import pytest
from tests.tui.driving import Traveller, travel
from textual.events import Paste

from vmalab.explain.travel.journey import Journey
from vmalab.tui.explore import errands

BASE = 0x7F0000000000
OTHER = BASE + 0x100000
# A mapping is made, split in three, its middle is made whole again; something fails; another is
# made by another thread, by a function with a hostile name; the first one is unmapped.
LOG = f"""\
7 mmap(NULL, 65536, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {BASE:#x}
7 mprotect({BASE + 16384:#x}, 4096, PROT_READ) = 0
7 mprotect({BASE + 16384:#x}, 4096, PROT_READ|PROT_WRITE) = 0
7 mprotect({BASE + 1:#x}, 4096, PROT_READ) = -1 EINVAL (Invalid argument)
8 mmap({OTHER:#x}, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {OTHER:#x}
 > /bin/x\u202e(grow+0x10) [0x1234]
7 munmap({BASE:#x}, 65536) = 0
"""


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    path = tmp_path_factory.mktemp("log") / "small.strace"
    path.write_text(LOG, "utf-8")
    made = Journey(str(path), errands=errands.__name__)
    made.await_end()
    yield made
    made.close()


def test_steps_to_splits_merges_and_failures(journey: Journey) -> None:
    async def play(user: Traveller) -> None:
        lines = []
        for key in ("s", "m", "f", "f", "M", "S"):
            await user.press(key)
            lines.append(user.line)
            if key == "f" and len(lines) == 4:
                await user.sees("no further failure")
        assert lines == [2, 3, 4, 4, 3, 2]

    travel(journey, play)


def test_a_failure_says_which_check_refused(journey: Journey) -> None:
    async def play(user: Traveller) -> None:
        await user.press("f")
        await user.sees("EINVAL by argument (addr): not a multiple of the page size")

    travel(journey, play)


def test_the_map_shows_what_a_call_changed(journey: Journey) -> None:
    async def play(user: Traveller) -> None:
        await user.press("s")
        await user.sees(f"- {BASE:012x}-{BASE + 65536:012x} rw-p    64 KiB")
        await user.sees(f"~ {BASE:012x}-{BASE + 16384:012x} rw-p    16 KiB")
        await user.sees(f"+ {BASE + 16384:012x}-{BASE + 20480:012x} r--p     4 KiB")
        await user.sees("VMAs: 2 made, 1 changed; now 3")

    travel(journey, play)


def test_a_vma_is_followed_through_its_life(journey: Journey) -> None:
    async def play(user: Traveller) -> None:
        await user.press("f", "c")
        assert user.line == 3
        await user.press("o")
        assert user.line == 1
        await user.press("x")
        assert user.line == 7
        await user.press("backspace", "backspace")
        assert user.line == 3

    travel(journey, play)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (f"{BASE + 0x100800:x}", 5),
        (f"{BASE + 0x100800:#x}", 5),
        ("munmap", 7),
        ("tid:8", 5),
        ("line:4", 4),
        ("grow", 5),
    ],
    ids=["address", "address with 0x", "call", "thread", "line", "function"],
)
def test_a_search_finds(journey: Journey, words: str, line: int) -> None:
    async def play(user: Traveller) -> None:
        await user.pilot.press("slash")
        user.app.post_message(Paste(words))
        await user.pilot.press("enter")
        await user.settle()
        assert user.line == line

    travel(journey, play)


def test_a_search_that_finds_nothing_says_so(journey: Journey) -> None:
    async def play(user: Traveller) -> None:
        await user.pilot.press("slash", "x", "y", "enter")
        await user.settle()
        await user.sees("no moment with xy")

    travel(journey, play)


def test_why_blame_and_compare_open_windows(journey: Journey) -> None:
    async def play(user: Traveller) -> None:
        await user.press("s", "w")
        await user.sees("FAILS")
        await user.sees("flags")
        await user.press("escape", "b")
        await user.sees("mprotect(PROT_READ)")
        await user.press("enter")
        assert user.line in (1, 2)
        await user.press("home", "down", "d", "s", "d")
        await user.sees("2 made, 0 gone, 1 changed")
        await user.sees("2  mprotect")

    travel(journey, play)


def test_the_help_names_every_key(journey: Journey) -> None:
    async def play(user: Traveller) -> None:
        await user.press("question_mark")
        for words in ("next split", "born, last changed", "Backspace", "compare with the marked"):
            await user.sees(words)

    travel(journey, play)


def test_names_cannot_drive_the_terminal(journey: Journey) -> None:
    async def play(user: Traveller) -> None:
        await user.press("slash", *"grow", "enter")
        await user.sees("x\\u202e: grow")
        assert "\u202e" not in user.screen

    travel(journey, play)


def test_a_small_terminal_is_enough(journey: Journey) -> None:
    async def play(user: Traveller) -> None:
        await user.press("s", "w", "escape", "b", "escape")
        assert user.line == 2

    travel(journey, play, size=(40, 12))
