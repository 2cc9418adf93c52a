# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers with a fraction on the command line: seconds and per cents, never "nan"."""

import math

import click


class Amount(click.FloatRange):
    """A number in a range; "nan", which compares with nothing, is in none."""

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number. Errors: click.BadParameter."""
        amount: float = super().convert(value, param, ctx)  # type: ignore[arg-type]
        if math.isnan(amount):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return amount
