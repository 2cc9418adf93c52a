# SPDX-License-Identifier: GPL-2.0-or-later
"""Options by which a user states what a recording lacks: the same for every command."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from vmalab.recording.format.stated import (
    Stated,
    parse_mount,
    parse_ram,
    parse_rlimit,
    parse_setting,
)

Command = Callable[..., Any]


def states_machine(prefix: str = "") -> Callable[[Command], Command]:
    """Return a decorator that adds the options; the command gets them as `stated`.

    prefix: of their names, for a command whose own options have these.
    """

    def decorate(command: Command) -> Command:
        @click.option(
            f"--{prefix}set",
            "stated_settings",
            metavar="NAME=N",
            multiple=True,
            help="State a setting of the recorded machine: vm.max_map_count=65530.",
        )
        @click.option(
            f"--{prefix}rlimit",
            "stated_rlimits",
            metavar="NAME=BYTES",
            multiple=True,
            help="State a limit of the recorded program: AS=2G, DATA, STACK, MEMLOCK.",
        )
        @click.option(
            f"--{prefix}ram",
            "stated_ram",
            metavar="BYTES",
            help="State the RAM of the recorded machine: 16G.",
        )
        @click.option(
            f"--{prefix}fs",
            "stated_mounts",
            metavar="[DIR=]TYPE",
            multiple=True,
            help="State the file system of the recorded files: overlay, /tmp=tmpfs,noexec.",
        )
        @wraps(command)
        def decorated(
            *args: object,
            stated_settings: tuple[str, ...],
            stated_rlimits: tuple[str, ...],
            stated_ram: str | None,
            stated_mounts: tuple[str, ...],
            **others: object,
        ) -> object:
            stated = Stated(
                sysctl=dict(parse_setting(text) for text in stated_settings),
                rlimits=dict(parse_rlimit(text) for text in stated_rlimits),
                ram=None if stated_ram is None else parse_ram(stated_ram),
                mounts=dict(parse_mount(text) for text in stated_mounts),
            )
            return command(*args, stated=stated, **others)

        return decorated

    return decorate
