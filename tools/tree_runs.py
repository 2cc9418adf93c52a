# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs vmalab on a kernel tree for the other tools, and reads what it says of the cases."""

import re
import subprocess
import sys

_FAILED = re.compile(r"^cases/[^:]+:\d+: (\S+) failed$", re.M)


def vmalab(*words: str) -> subprocess.CompletedProcess[str]:
    """Run vmalab with this interpreter."""
    command = [sys.executable, "-c", "from vmalab.cli.main import main; main()", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def failed_cases(text: str) -> list[str]:
    """Return the cases that failed, out of what `vmalab test` has printed."""
    return _FAILED.findall(text)
