# SPDX-License-Identifier: GPL-2.0-or-later
"""What a recorder says of its work when that is done."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """What was recorded. size: bytes. status: as of the program's own exit, 128 + N for signal N;
    None when it was not launched. cut: why the recording ended before its time, "" when it did not.
    tracer: "ptrace" or "events". held: why it was not events, "" where that was asked for.
    """

    folder: str
    lines: int
    images: int
    size: int
    seconds: float
    status: int | None
    probed: bool
    cut: str
    tracer: str
    held: str = ""
