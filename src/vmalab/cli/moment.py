# SPDX-License-Identifier: GPL-2.0-or-later
"""Options by which a user chooses a moment of a recording, and by which rules to look at it."""

from collections.abc import Callable
from typing import Any

import click

from vmalab.cli.completion import kernels

Command = Callable[..., Any]


def chooses_moment(command: Command) -> Command:
    """Add the options to a command, which gets `at`, `image` and `kernel`."""
    command = click.option(
        "--kernel", metavar="X.Y", shell_complete=kernels, help="Behave as this kernel version."
    )(command)
    command = click.option(
        "--image", metavar="ID", help="The image of a recording; default: the most VMAs."
    )(command)
    return click.option(
        "--at",
        metavar="LINE|end|peak",
        default="peak",
        show_default=True,
        help="The moment of a recording: after a line of its log, its end, or the most VMAs.",
    )(command)
