# SPDX-License-Identifier: GPL-2.0-or-later
"""The type of an option that is a real number within a range: one that can be compared."""

import math
from typing import Any, final

import click


@final
class RealNumber(click.FloatRange):
    """A range of real numbers. Neither "nan" nor "inf" is one; click takes both for numbers."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number. Errors: click.BadParameter."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{str(value)[:40]!r} is not finite.", param, ctx)
        return number
