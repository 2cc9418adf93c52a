# SPDX-License-Identifier: GPL-2.0-or-later
"""A what-if without a change is the recorded run, for one kernel's recordings and real programs.

`make test-recordings` runs this; see test_development_recordings.py for where they are.
"""

import os
from pathlib import Path

import pytest

from vmalab.explain.whatif.changes import Changes
from vmalab.explain.whatif.comparison import what_if
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options

pytestmark = pytest.mark.recordings

TOP = os.environ.get("VMALAB_RECORDINGS", "")
PATHS = [
    str(path.parent)
    for folder in ("golden/6.18*", "real/prog")
    for path in sorted(Path(TOP).glob(f"{folder}/*/meta.json"))
]


@pytest.mark.parametrize("path", PATHS, ids=[str(Path(path).relative_to(TOP)) for path in PATHS])
def test_nothing_changed_is_nothing_different(path: str) -> None:
    found, _ = what_if(RecordingFiles(path), Changes(), Options())
    assert (found.fails, found.passes, found.left_out) == (0, 0, 0)
    assert found.doubts == {}
    assert [image.name for image in found.images if not image.identical] == []
