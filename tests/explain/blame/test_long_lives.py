# SPDX-License-Identifier: GPL-2.0-or-later
"""A long life is freed without harm to what lies beside it in memory."""

import os
import subprocess
import sys

# Each event holds the one before it: the last that is let go frees them all, one within another.
CODE = """
from vmalab.explain.blame.origins import Origin, Past
past = None
for index in range(1000):
    past = Past(Origin(index, index, "", None), "", (0, 4096), (past,))
del past
"""


def test_events_that_free_one_another() -> None:
    """What checks memory when it is freed has nothing to say."""
    environment = {**os.environ, "PYTHONMALLOC": "debug"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
