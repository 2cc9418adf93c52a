# SPDX-License-Identifier: GPL-2.0-or-later
"""What all tests share: how Hypothesis looks for a failure and shows one, example recordings."""

from pathlib import Path

import pytest
from hypothesis import settings

from .small_recordings import make, replayed

__all__ = ("examples", "make", "replayed")

# No deadline: two busy cores make any single example slow now and then, and that says nothing.
settings.register_profile("vmalab", deadline=None, print_blob=True)
settings.load_profile("vmalab")


@pytest.fixture
def examples() -> Path:
    """The small real recordings of the repository."""
    return Path(__file__).parent.parent / "examples"
