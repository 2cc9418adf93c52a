# SPDX-License-Identifier: GPL-2.0-or-later
"""What a reader of findings should know of the replay that they come from."""

import os

from vmalab.calls.errors import ReadError
from vmalab.replay.report import ReplayReport


def check_usable(report: ReplayReport) -> None:
    """Check that there was something to replay. Errors: ReadError, which says what was wrong.

    A process that made no call while it was recorded has its maps.
    """
    path = report.path
    if report.calls_seen or (report.images and not report.complaints):
        return
    # Hardly ever needed, and takes its time to be there.
    from vmalab.recording.readers.map_file import holds_map, read_map

    if os.path.isfile(path) and holds_map(path):
        # What looks like one and cannot be read says why.
        read_map(path)
        raise ReadError(path, 0, f"a memory map, and no calls: see `vmalab why {path}`")
    complaint = next(iter(report.complaints), None)
    if complaint is None:
        raise ReadError(report.path, 0, "the log has no calls")
    why = f"{complaint.why} (no line of the log can be used)"
    raise ReadError(complaint.path, complaint.line, why)


def notes_on(report: ReplayReport) -> tuple[str, ...]:
    """Return what is to be known, a sentence each. Errors: ReadError as for `check_usable`."""
    check_usable(report)
    notes = list(report.notes)
    if report.unparsed:
        first = report.complaints[0].text if report.complaints else ""
        notes.append(f"Lines of the log that could not be understood: {report.unparsed}. {first}")
    if not report.identical:
        notes.append(f"The replay is not as recorded: see `vmalab replay {report.path}`.")
    return tuple(notes)
