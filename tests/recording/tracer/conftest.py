# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of the recorder share: both ways in which a kernel is asked what was written to."""

import os
from collections.abc import Iterator

import pytest

from vmalab.recording.tracer.pagemap import zero_frame
from vmalab.recording.tracer.probe import Means, Probe, can_probe

SLOW = Means(queries=False, scans=False, zero=zero_frame())


@pytest.fixture(params=["ioctls", "text"])
def probe(request: pytest.FixtureRequest) -> Iterator[Probe]:
    """Both ways to ask: by this kernel's ioctls, and as kernels before 6.7 are asked by root."""
    if request.param == "text" and not SLOW.zero:
        pytest.skip("where pages are is shown to root only")
    if request.param == "ioctls" and not can_probe():
        pytest.skip("the kernel has no PROCMAP_QUERY or PAGEMAP_SCAN (Linux 6.11)")
    own = Probe(os.getpid(), SLOW if request.param == "text" else None)
    yield own
    own.close()
