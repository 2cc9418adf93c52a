# SPDX-License-Identifier: GPL-2.0-or-later
"""On which versions' own code a case can be run."""

import pytest

from vmalab.linux.include.features import VERSIONS
from vmalab.testing.cases.arrangements import trees_of


def test_a_case_can_be_bound_below_and_above() -> None:
    assert trees_of(("trees", "from", "6.12", "why")) == ((6, 12), VERSIONS[-1])
    assert trees_of(("trees", "to", "6.12", "why")) == (VERSIONS[0], (6, 12))


@pytest.mark.parametrize("rest", [("from", "6.12"), ("from", "5.4", "why"), ("on", "6.12", "why")])
def test_a_line_without_a_known_version_or_a_reason_is_wrong(rest: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"from X\.Y"):
        trees_of(("trees", *rest))
