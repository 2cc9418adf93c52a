# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab explore`: time travel through a recording, on the terminal."""

import importlib.util
import os
import sys

import click

from vmalab.calls.errors import UsageError
from vmalab.cli.completion import kernels
from vmalab.cli.stated import states_machine
from vmalab.explain.travel.journey import Journey
from vmalab.recording.format.stated import Stated
from vmalab.views.progress import Progress


def check_terminal(verb: str) -> None:
    """Errors: UsageError when there is no terminal, or the library that draws is not installed."""
    if importlib.util.find_spec("textual") is None:
        raise UsageError(f"{verb} needs textual: pip install 'vmalab[tui]'")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(f"{verb} needs a terminal to draw on")


@click.command()
@click.argument("path", metavar="PATH", type=click.Path())
@click.option(
    "--kernel", metavar="X.Y", shell_complete=kernels, help="Replay as this kernel version."
)
@states_machine()
def explore(path: str, kernel: str | None, stated: Stated) -> None:
    """Travel through a recording: its calls on the left, the map at each of them on the right.

    PATH is a recording, a bare log, or perf.data. The recording is replayed while you look; the
    keys are listed under ?. Exit status: 0, or 2 when the recording cannot be used.
    """
    check_terminal("explore")
    journey = Journey(path, stated, kernel, errands="vmalab.tui.explore.errands")
    try:
        from vmalab.tui.explore.app import Explore

        with Progress() as progress:
            progress.begin(path)
            # What cannot be opened is said here, and not in a window.
            journey.await_beginning(lambda: progress.advance(0, "reading"))
        Explore(journey, os.path.basename(os.path.normpath(path))).run()
    finally:
        journey.close()
