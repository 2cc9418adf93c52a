# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab convert`: keeps a recording's log as columns, for large ones and for other tools."""

import os

import click

from vmalab.calls.errors import ReadError
from vmalab.recording.format.copy_without_log import copy_all_but_log
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.opening import open_recording
from vmalab.recording.readers.columns import ARROW, PARQUET, is_columnar, write_columns
from vmalab.views.output import say


@click.command()
@click.argument("source", type=click.Path())
@click.argument("target", type=click.Path())
def convert(source: str, target: str) -> None:
    """Write the log of the recording SOURCE as columns to TARGET, which must not exist yet.

    TARGET is a file whose name ends in .parquet or .arrow, or else a directory: a recording with
    all that is read of SOURCE, and calls.parquet in the place of its log. vmalab reads both as it
    reads any recording.
    """
    recording = open_recording(source)
    if os.path.lexists(target):
        raise ReadError(target, 0, "is there already")
    try:
        if is_columnar(target):
            count = write_columns(recording.log(), target)
        else:
            count = _convert_folder(recording, target)
    except OSError as error:
        raise ReadError(target, 0, f"cannot be written: {error.strerror or error}") from None
    say(f"{target}: {count} events")


def _convert_folder(recording: RecordingFiles, target: str) -> int:
    """Return a recording's folder with columns for its log."""
    if not os.path.isdir(recording.path):
        raise ReadError(
            recording.path, 0, f"a bare log has no folder: name a file ({PARQUET} or {ARROW})"
        )
    os.mkdir(target)
    copy_all_but_log(recording, target)
    return write_columns(recording.log(), os.path.join(target, f"calls{PARQUET}"))
