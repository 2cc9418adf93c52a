# SPDX-License-Identifier: GPL-2.0-or-later
"""What the command line says of itself, as plain values: for man pages and the site."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import click


@dataclass(frozen=True)
class Command:
    """A verb. usage: its arguments, as in `PATH...`. paragraphs: its help, with plain spaces.

    options: how each is spelt with its values, and what it means. example: a command line.
    """

    name: str
    usage: str
    paragraphs: tuple[str, ...]
    options: tuple[tuple[str, str], ...]
    example: str
    purpose: str
    about: str


def commands() -> Iterator[Command]:
    """Yield all verbs in the order of the overview."""
    from vmalab.cli.main import vmalab
    from vmalab.cli.verbs import PURPOSES, example_of

    top = click.Context(vmalab, info_name="vmalab")
    for purpose, verbs in PURPOSES.items():
        for name, verb in verbs.items():
            command = vmalab.get_command(top, name)
            if command is None:
                raise SystemExit(f"commands: {name}: no such command")
            context = click.Context(command, info_name=name, parent=top)
            pieces = command.collect_usage_pieces(context)
            yield Command(
                name,
                " ".join(pieces),
                paragraphs_of(command.help or ""),
                tuple(options_of(command, context)),
                example_of(verb),
                purpose,
                verb.about,
            )


def paragraphs_of(text: str) -> tuple[str, ...]:
    """Return the paragraphs of a docstring, each as one line."""
    return tuple(" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()))


def options_of(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Yield each option as `--help` shows it."""
    for param in command.get_params(context):
        record = param.get_help_record(context)
        if record is not None and record[1]:
            yield record[0], " ".join(record[1].split())
