# SPDX-License-Identifier: GPL-2.0-or-later
"""The strict seam finds nothing on the development recordings; `make test-recordings` runs this."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.recordings

VMALAB = Path(sys.executable).with_name("vmalab")
STRICT = "vmalab.testing.seams.strict:StrictInternal"


@pytest.mark.parametrize("group", ["golden", "real"])
def test_the_strict_seam_finds_nothing(group: str) -> None:
    top = os.environ.get("VMALAB_RECORDINGS")
    assert top, "VMALAB_RECORDINGS is not set: run make test-recordings"
    command = [str(VMALAB), "replay", "--json", "--seam", STRICT, str(Path(top, group))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "a defect of vmalab" not in done.stderr
    assert done.returncode in (0, 1)
