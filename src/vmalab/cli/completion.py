# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab completion`: what a shell runs to complete verbs, options, recordings and processes."""

import os
from typing import Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from vmalab.targets.model.versions import SUPPORTED
from vmalab.views.output import say_lines

SHELLS: Final = ("bash", "zsh", "fish")
# Processes that are offered.
_MOST: Final = 200


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands.

    Add to the start-up file of your shell: eval "$(vmalab completion bash)".
    """
    from vmalab.cli.main import vmalab

    found = get_completion_class(shell)
    assert found is not None
    say_lines(found(vmalab, {}, "vmalab", "_VMALAB_COMPLETE").source())


def kernels(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return the versions that there is a model of."""
    return [CompletionItem(version) for version in SUPPORTED if version.startswith(typed)]


def subjects(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Return processes by their numbers, else what files complete to."""
    if not typed.isdecimal():
        return [CompletionItem(typed, type="file")]
    found = sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
    chosen = [pid for pid in found if str(pid).startswith(typed)][:_MOST]
    return [CompletionItem(str(pid), help=_command(pid)) for pid in chosen]


def _command(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return "".join(char if char.isprintable() else "?" for char in file.read(64).strip())
    except OSError:
        return ""
