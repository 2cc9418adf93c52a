# SPDX-License-Identifier: GPL-2.0-or-later
"""The options --json and --json-schema of a verb."""

from collections.abc import Callable
from typing import Final

import click

from vmalab.views.answers.answer import json_text
from vmalab.views.output import say

_SCHEMA: Final = "Print the schema of what --json prints, and do nothing else."


def answers_in_json(
    verb: str, about: str = "One JSON object."
) -> Callable[[click.decorators.FC], click.decorators.FC]:
    """Return a decorator that gives a verb both options; the first is its argument `as_json`.

    about: what --json prints.
    """

    def show(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            from vmalab.views.answers.schema import schema_of

            say(json_text(schema_of(verb)))
            ctx.exit()

    plain = click.option("--json", "as_json", is_flag=True, help=about)
    schema = click.option(
        "--json-schema",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help=_SCHEMA,
    )

    def decorate(command: click.decorators.FC) -> click.decorators.FC:
        return plain(schema(command))

    return decorate
