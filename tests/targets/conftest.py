# SPDX-License-Identifier: GPL-2.0-or-later
"""This machine's kernel as a target, or the reason why it cannot be one."""

import os
import platform
from collections.abc import Iterator

import pytest

from vmalab.targets.real.live import LiveTarget
from vmalab.targets.real.real import RealTarget
from vmalab.targets.real.target_errors import TargetError


@pytest.fixture(scope="module")
def live() -> Iterator[RealTarget]:
    """This machine's kernel; VMALAB_REQUIRE_LIVE makes it a failure where it cannot be had."""
    if platform.machine() != "x86_64":
        pytest.skip("the executor is for x86-64")
    context = LiveTarget()
    try:
        target = context.__enter__()
    except TargetError as error:
        if os.environ.get("VMALAB_REQUIRE_LIVE"):
            raise
        pytest.skip(str(error))
    yield target
    context.close()
