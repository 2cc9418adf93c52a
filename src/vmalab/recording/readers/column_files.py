# SPDX-License-Identifier: GPL-2.0-or-later
"""What files of columns are called."""

from typing import Final

PARQUET: Final = ".parquet"
ARROW: Final = ".arrow"


def is_columnar(path: str) -> bool:
    """Return whether a path's name says that it holds columns."""
    return path.endswith((PARQUET, ARROW))
