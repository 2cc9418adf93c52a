# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells lines of logs for what they are, whatever wrote them."""

from collections.abc import Sequence

from vmalab.recording.readers.line_shape import STRACE_LINES
from vmalab.recording.readers.perf_trace import is_perf_trace_text
from vmalab.recording.readers.syzkaller import is_program_line
from vmalab.recording.readers.tracepoints import is_tracepoint_text


def known_lines(lines: Sequence[str]) -> list[str]:
    """Return something for each line that tells of a call, in the form of any log that is read."""
    return STRACE_LINES.margins(lines) + [line for line in lines if _is_event(line)]


def _is_event(line: str) -> bool:
    one = (line,)
    return is_tracepoint_text(one) or is_perf_trace_text(one) or is_program_line(line)
