# SPDX-License-Identifier: GPL-2.0-or-later
"""A sensible limit is above the least one: by a quarter, or by what the trend would take."""

import pytest

from vmalab.explain.enomem.limit_checks import BYTES, PAGES, VMAS
from vmalab.explain.enomem.sensible import limit_words, sensible_limit


@pytest.mark.parametrize(
    ("check", "unit", "needed", "grown", "calls", "limit"),
    [
        ("map count", VMAS, 65_531, 0.0, 100_000, 131_072),
        ("map count", VMAS, 65_531, 1.0, 65_500, 131_072),
        ("map count", VMAS, 65_531, 1.0, 70_000, 196_608),
        ("RLIMIT_AS", PAGES, 65_600, 0.0, 500, 90_112),
        ("RLIMIT_AS", PAGES, 65_600, 100.0, 500, 122_880),
        ("RLIMIT_STACK", BYTES, 8 << 20, 0.0, 9, 10 << 20),
        ("no gap", BYTES, 1 << 40, 0.0, 9, 0),
        ("RLIMIT_AS", PAGES, None, 1.0, 9, 0),
    ],
)
def test_a_limit_has_room(
    check: str, unit: str, needed: int | None, grown: float, calls: int, limit: int
) -> None:
    assert sensible_limit(check, unit, needed, grown, calls) == limit


def test_no_trend_goes_on_for_ever() -> None:
    assert sensible_limit("RLIMIT_AS", PAGES, 1000, 1e9, 1 << 40) <= 9000


def test_words_say_how_to_set_it() -> None:
    assert limit_words("map count", VMAS, 131_072) == "sysctl vm.max_map_count=131072"
    words = "RLIMIT_AS of 335544320 bytes (ulimit -v 327680)"
    assert limit_words("RLIMIT_AS", PAGES, 81_920) == words
