# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives the terminal programs without a terminal: keys are pressed, and what is shown is read."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from vmalab.explain.travel.journey import Journey
from vmalab.tui.explore.app import Explore

# Looks at the program before it is given up, each a hundredth of a second at least.
_LOOKS = 1500

Play = Callable[["Traveller"], Awaitable[None]]


def shown(app: App[Any]) -> str:
    """What is on the screen."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(part.text for part in strip).rstrip() for strip in strips)


async def until(pilot: Pilot[Any], condition: Callable[[], bool]) -> None:
    """Wait for something that the program will come to."""
    for _ in range(_LOOKS):
        await pilot.pause(0.01)
        if condition():
            return
    raise AssertionError(f"it does not happen; on the screen:\n{shown(pilot.app)}")


class Traveller:
    """Someone who presses keys in `explore`. keys: those that were pressed."""

    def __init__(self, app: Explore, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self.keys: list[str] = []

    async def press(self, *keys: str) -> None:
        """Press keys, each when the program has done what the former one asked for."""
        for key in keys:
            self.keys.append(key)
            await self.pilot.press(key)
            await self.settle()

    async def settle(self) -> None:
        """Wait until the moment at the cursor is shown, and no question is open."""
        app = self.app
        await until(
            self.pilot,
            lambda: app.look is not None and app.look.at == app.calls.cursor and not app.questions,
        )

    @property
    def screen(self) -> str:
        """What is on the screen."""
        return shown(self.app)

    async def sees(self, *texts: str) -> None:
        """Wait until all the texts are on the screen."""
        await until(self.pilot, lambda: all(text in self.screen for text in texts))

    @property
    def line(self) -> int:
        """The line of the log at the cursor."""
        return self.app.journey.index.line[self.app.calls.cursor]


def travel(journey: Journey, play: Play, size: tuple[int, int] = (140, 40)) -> None:
    """Run `explore` on a journey that is over, and play in it."""

    async def run() -> None:
        app = Explore(journey, "a recording")
        async with app.run_test(size=size) as pilot:
            traveller = Traveller(app, pilot)
            await traveller.settle()
            await play(traveller)

    asyncio.run(run())
