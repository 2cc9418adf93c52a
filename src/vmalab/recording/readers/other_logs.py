# SPDX-License-Identifier: GPL-2.0-or-later
"""Tells by its first lines what wrote a log of lines, and what was done to them since."""

from collections.abc import Sequence

from vmalab.recording.readers.events import EventReader
from vmalab.recording.readers.log_lines import known_lines
from vmalab.recording.readers.margins import without_margin
from vmalab.recording.readers.paste import restore, retyped
from vmalab.recording.readers.pasted_log import PastedLogReader
from vmalab.recording.readers.perf_trace import PerfTraceReader, is_perf_trace_text
from vmalab.recording.readers.strace import StraceReader
from vmalab.recording.readers.syzkaller import (
    SyzkallerReader,
    is_syzkaller_text,
    program_margin,
)
from vmalab.recording.readers.tracepoints import TracepointReader, frame_margin, is_tracepoint_text
from vmalab.recording.readers.unpacked import packing_of
from vmalab.recording.readers.unpacked_log import UnpackedLogReader
from vmalab.recording.readers.wrapped import LOOKED_AT


def chosen_reader(first: Sequence[str], *, pasted: bool) -> EventReader:
    """Return a reader for a log that begins with these lines. pasted: it may be, from anywhere."""
    packing = packing_of(first, known_lines) if pasted else None
    if packing is not None:
        return UnpackedLogReader(first, packing, lambda lines: chosen_reader(lines, pasted=True))
    if is_tracepoint_text(first):
        return TracepointReader(frame_margin(first))
    if is_perf_trace_text(first):
        return PerfTraceReader()
    program = [retyped(restore(line)) for line in first]
    margin = program_margin(program) if pasted else None
    if is_syzkaller_text([without_margin(line, margin) for line in program]):
        return SyzkallerReader(margin)
    if pasted:
        reader = PastedLogReader(first[:LOOKED_AT])
        if reader.needed:
            return reader
    return StraceReader()


def remark_of(reader: EventReader) -> str:
    """Return what was done to the lines of a log before they were read; "" for nothing."""
    if isinstance(reader, UnpackedLogReader):
        return "; ".join(filter(None, (reader.remark, remark_of(reader.reader))))
    return reader.remark if isinstance(reader, PastedLogReader) else ""
