# SPDX-License-Identifier: GPL-2.0-or-later
"""Options by which a user says who works: the same for every command that shares work out."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from vmalab.crew.staff import Staff

Command = Callable[..., Any]


def staffed(what: str, jobs: int = 1) -> Callable[[Command], Command]:
    """Return a decorator that adds the options; the command gets them as `staff`.

    what: the processes do, as the help says it. jobs: how many they are by default.
    """

    def decorate(command: Command) -> Command:
        @click.option(
            "--jobs",
            metavar="J",
            type=click.IntRange(1, 256),
            default=jobs,
            show_default=True,
            help=f"Processes that {what}.",
        )
        @click.option(
            "--cluster",
            metavar="ADDRESS",
            default="",
            help="Let the workers of a Dask cluster do it: tcp://HOST:8786.",
        )
        @wraps(command)
        def decorated(*args: object, jobs: int, cluster: str, **others: object) -> object:
            return command(*args, staff=Staff(jobs, cluster), **others)

        return decorated

    return decorate
