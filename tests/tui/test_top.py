# SPDX-License-Identifier: GPL-2.0-or-later
"""What the keys of `top` do, over processes that the test makes up."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.recording.live.test_survey import Proc
from tests.tui.driving import shown, until
from textual.pilot import Pilot

from vmalab.recording.live.survey import Survey
from vmalab.tui.top.app import Top

Play = Callable[[Top, Pilot[None]], Awaitable[None]]


def watch(folder: Path, play: Play) -> None:
    """Run `top` over three processes, and play in it."""
    proc = Proc(folder)
    proc.process(11, 30, size=4000, name="small")
    proc.process(12, 300, size=400, name="many\x1b[31m")
    proc.process(13, 3, size=80_000, name="large")

    async def run() -> None:
        app = Top(Survey(str(folder)), 0.05, "vmas")
        async with app.run_test(size=(130, 20)) as pilot:
            await until(pilot, lambda: app.rounds > 0 and "name" in shown(app))
            await play(app, pilot)

    asyncio.run(run())


def names(app: Top) -> list[str]:
    """The processes from top to bottom."""
    lines = shown(app).split("\n")[2:5]
    return [line.split()[-1] for line in lines]


async def becomes(pilot: Pilot[Any], app: Top, *wanted: str) -> None:
    await until(pilot, lambda: names(app) == list(wanted))


MANY = "many\\x1b[31m"


def test_processes_are_sorted_as_the_keys_say(tmp_path: Path) -> None:
    async def play(app: Top, pilot: Pilot[None]) -> None:
        await becomes(pilot, app, MANY, "small", "large")
        await pilot.press("m")
        await becomes(pilot, app, "large", "small", MANY)
        await pilot.press("p")
        await becomes(pilot, app, "small", MANY, "large")
        assert "\x1b" not in shown(app)

    watch(tmp_path, play)


def test_what_is_frozen_does_not_change(tmp_path: Path) -> None:
    async def play(app: Top, pilot: Pilot[None]) -> None:
        await pilot.press("space")
        await until(pilot, lambda: "frozen" in shown(app))
        Proc(tmp_path).process(11, 5000, size=5000, name="small")
        for _ in range(20):
            await pilot.pause(0.02)
        assert names(app) == [MANY, "small", "large"]
        await pilot.press("space")
        await becomes(pilot, app, "small", MANY, "large")

    watch(tmp_path, play)


def test_a_process_has_a_window_with_all_its_limits(tmp_path: Path) -> None:
    async def play(app: Top, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        await until(pilot, lambda: "RLIMIT_MEMLOCK" in shown(app))
        assert "64 KiB" in shown(app)
        await pilot.press("escape", "q")

    watch(tmp_path, play)
