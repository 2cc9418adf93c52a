# SPDX-License-Identifier: GPL-2.0-or-later
"""A sensible limit beside the least one: with room for what the process would go on to use.

The least limit lets one call pass, and the next one fails. A sensible one leaves a quarter of it
free, or as much as the process would take if it went on as long again as it did before the
call, at the rate of its last calls.
"""

from typing import Final

from vmalab.explain.enomem.limit_checks import BYTES, PAGES, VMAS
from vmalab.linux.include.page import PAGE_SHIFT

# The usual vm.max_map_count, in steps of which it is raised.
_MAP_COUNTS: Final = 65_536
# No trend is carried on beyond so many times the least limit.
_MOST: Final = 8

_OPTIONS: Final = {
    "RLIMIT_AS": "-v",
    "RLIMIT_DATA": "-d",
    "RLIMIT_MEMLOCK": "-l",
    "RLIMIT_STACK": "-s",
}


def sensible_limit(check: str, unit: str, needed: int | None, grown: float, calls: int) -> int:
    """Return a limit in `unit` with headroom, 0 where there is none to be raised.

    needed: the least. grown: in `unit`, by how much the quantity grows a memory call. calls: that
    the process has made.
    """
    if needed is None or (check not in _OPTIONS and check != "map count"):
        return 0
    trend = min(int(grown * calls), needed * (_MOST - 1))
    wanted = needed + max(needed // 4, trend)
    if unit == VMAS:
        return -(-wanted // _MAP_COUNTS) * _MAP_COUNTS
    shift = PAGE_SHIFT if unit == PAGES else 0
    step = _step(wanted << shift)
    return -(-(wanted << shift) // step) * step >> shift


def _step(size: int) -> int:
    """Return what sizes are rounded up to: an eighth of the power of two below."""
    return max(1 << 16, 1 << (size.bit_length() - 4))


def limit_words(check: str, unit: str, limit: int) -> str:
    """Return how to set a limit: "RLIMIT_AS of 320 MiB (ulimit -v 327680)"."""
    if check == "map count":
        return f"sysctl vm.max_map_count={limit}"
    size = limit << (PAGE_SHIFT if unit == PAGES else 0)
    assert unit in (PAGES, BYTES)
    return f"{check} of {size} bytes (ulimit {_OPTIONS[check]} {-(-size // 1024)})"
