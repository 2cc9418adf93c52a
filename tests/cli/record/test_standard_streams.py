# SPDX-License-Identifier: GPL-2.0-or-later
"""A program is recorded, and its status kept, where the recorder cannot say anything."""

import subprocess
from pathlib import Path

import pytest

from .conftest import COMMAND


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&- >&- 2>&-"])
def test_status_is_kept_where_nothing_can_be_said(
    traceable: None, tmp_path: Path, redirection: str
) -> None:
    line = f'exec "$@" {redirection}'
    program = "for fd in 0 1 2; do test -e /proc/self/fd/$fd && n=1$n; done; exit $((40 + ${#n}))"
    alone = subprocess.run(["sh", "-c", line, "sh", "sh", "-c", program], check=False)
    command = [
        "sh",
        "-c",
        line,
        "sh",
        *COMMAND,
        "record",
        "--tracer",
        "ptrace",
        "-o",
        "r",
        "--",
        "sh",
        "-c",
        program,
    ]
    recorded = subprocess.run(command, check=False, cwd=tmp_path, timeout=120)
    assert recorded.returncode == alone.returncode >= 40
    assert (tmp_path / "r" / "meta.json").stat().st_size
