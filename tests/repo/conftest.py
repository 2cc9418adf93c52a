# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the repository is, for the tests about the repository itself."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return Path(__file__).resolve().parents[2]
