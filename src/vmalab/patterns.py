# SPDX-License-Identifier: GPL-2.0-or-later
"""Regular expressions of which most runs need few: each is compiled when it is first used."""

import re
from collections.abc import Callable
from functools import cache, partial
from typing import AnyStr


def pattern(expression: AnyStr, flags: int = 0) -> Callable[[], re.Pattern[AnyStr]]:
    """Return a function that returns a compiled expression, the same each time.

    Compiling one takes as long as reading hundreds of lines.
    """
    return cache(partial(re.compile, expression, flags))
