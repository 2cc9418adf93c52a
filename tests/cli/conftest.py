# SPDX-License-Identifier: GPL-2.0-or-later
"""What several tests of commands need."""

import pytest

from vmalab.targets.real.live import LiveTarget
from vmalab.targets.real.target_errors import TargetError


@pytest.fixture
def live() -> None:
    """Skips where this machine's kernel cannot be asked."""
    try:
        with LiveTarget():
            pass
    except TargetError as error:
        pytest.skip(str(error))
