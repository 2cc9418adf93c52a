# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab convert`: a recording's log as columns, or its replay for other programs."""

import os
from collections.abc import Callable
from typing import Final

import click

from vmalab.api.recording import Recording
from vmalab.calls.errors import ReadError
from vmalab.explain.blame.flame import BYTES, FAILED, HELD, MADE, Flame
from vmalab.explain.blame.tally import StackTally
from vmalab.recording.format.copy_without_log import copy_all_but_log
from vmalab.recording.format.output_file import written_whole
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.opening import open_recording
from vmalab.recording.readers.column_files import ARROW, PARQUET, is_columnar
from vmalab.recording.readers.columns import write_columns
from vmalab.replay.replay import Options, Replay
from vmalab.replay.usable import check_usable
from vmalab.views.exports.perfetto import PerfettoTrace
from vmalab.views.exports.spreadsheet import write_rows
from vmalab.views.exports.stacks import folded, speedscope
from vmalab.views.output import say
from vmalab.views.progress import Progress

PERFETTO: Final = (".pftrace", ".perfetto-trace")
SPEEDSCOPE: Final = ".speedscope.json"
FOLDED: Final = ".folded"
CSV: Final = ".csv"
_MEASURES: Final = (HELD, MADE, BYTES, FAILED)


@click.command()
@click.argument("source", type=click.Path())
@click.argument("target", type=click.Path())
@click.option(
    "--measure",
    type=click.Choice(_MEASURES),
    default=HELD,
    show_default=True,
    help="Of folded stacks: VMAs held, VMAs ever made, bytes mapped, failed calls.",
)
def convert(source: str, target: str, measure: str) -> None:
    """Write the recording SOURCE as another file TARGET, which must not exist yet.

    TARGET's name says what it becomes. Its log: .parquet, .arrow or .csv. Its replay: .pftrace for
    Perfetto. What made its VMAs, by stack: .speedscope.json, .folded. Any other name is that of a
    directory: a recording with all that is read of SOURCE, and calls.parquet in the place of its
    log.
    """
    recording = open_recording(source)
    if os.path.lexists(target):
        raise ReadError(target, 0, "is there already")
    try:
        with written_whole(target) as place:
            done = _converted(recording, place, measure)
    except OSError as error:
        raise ReadError(target, 0, f"cannot be written: {error.strerror or error}") from None
    say(f"{target}: {done}")


def _converted(recording: RecordingFiles, target: str, measure: str) -> str:
    """Write the file or the folder; return what is in it."""
    if target.endswith(PERFETTO):
        return _perfetto(recording, target)
    if target.endswith(SPEEDSCOPE):
        name = os.path.basename(os.path.normpath(recording.path))
        return _stacks(recording, target, lambda flame: speedscope(flame, name))
    if target.endswith(FOLDED):
        return _stacks(recording, target, lambda flame: "\n".join([*folded(flame, measure), ""]))
    if target.endswith(CSV):
        with open(target, "x", encoding="utf-8", newline="") as file:
            return f"{write_rows(recording.log(), file)} events"
    if is_columnar(target):
        return f"{write_columns(recording.log(), target)} events"
    return f"{_convert_folder(recording, target)} events"


def _convert_folder(recording: RecordingFiles, target: str) -> int:
    """Return a recording's folder with columns for its log."""
    if not os.path.isdir(recording.path):
        names = ", ".join((PARQUET, ARROW, CSV, *PERFETTO, SPEEDSCOPE, FOLDED))
        raise ReadError(recording.path, 0, f"a bare log has no folder: name a file ({names})")
    os.mkdir(target)
    copy_all_but_log(recording, target)
    return write_columns(recording.log(), os.path.join(target, f"calls{PARQUET}"))


def _perfetto(recording: RecordingFiles, target: str) -> str:
    """Write a trace of the replay."""
    with open(target, "xb") as file, Progress() as progress:
        progress.begin(recording.path, recording.share_read)
        trace = PerfettoTrace(file.write)
        options = Options(progress=progress.advance, observers=(trace,))
        check_usable(Replay(recording, options).run())
    return f"{trace.calls} memory calls"


def _stacks(recording: RecordingFiles, target: str, text_of: Callable[[Flame], str]) -> str:
    """Write the stacks that made the VMAs of the image with the most, when it had the most."""
    with Progress() as progress:
        progress.begin(recording.path, recording.share_read)
        tally = StackTally()
        found = Recording(recording, Options(progress=progress.advance)).blame(tally=tally)
    flame = Flame(recording.frames())
    assert found.moment is not None
    flame.add_vmas(found.moment.vmas)
    flame.add_counts(tally.images.get(found.moment.image, {}))
    with open(target, "x", encoding="utf-8") as file:
        file.write(text_of(flame))
    return f"{len(found.moment.vmas)} VMAs of image {found.moment.image} at its peak"
