# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab enomem`: why calls failed, and how much of each limit is left."""

import time
from typing import TYPE_CHECKING

import click

from vmalab.cli.completion import kernels, subjects
from vmalab.cli.in_json import answers_in_json
from vmalab.cli.real_number import RealNumber
from vmalab.cli.stated import states_machine
from vmalab.cli.subject import MemorySubject, ProcessSubject, SnapshotSubject, subject_of
from vmalab.explain.enomem import failed_calls as replays
from vmalab.explain.enomem.failed_calls import Enomem
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.format.stated import Stated
from vmalab.replay.replay import Options
from vmalab.targets.model.versions import check_version
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.enomem import enomem_answer, limits_answer, saved_limits_answer
from vmalab.views.enomem import print_enomem, print_headroom
from vmalab.views.output import complain, say
from vmalab.views.progress import Progress
from vmalab.views.prometheus import headroom_lines, refusal_lines
from vmalab.views.text_table import counted
from vmalab.views.visible import visible

if TYPE_CHECKING:
    from vmalab.cli.enomem_as_page import EnomemAsPage


def _page(file: str | None) -> "EnomemAsPage | None":
    """Return the page that is to be written, None for none. Errors: UsageError."""
    if file is None:
        return None
    # A third of the time that all takes to start.
    from vmalab.cli.enomem_as_page import EnomemAsPage

    return EnomemAsPage(file)


@click.command()
@click.argument("subject", metavar="PATH|PID", required=False, shell_complete=subjects)
@click.option("-p", "--pid", metavar="PID", type=click.IntRange(1), help="A live process.")
@click.option(
    "--kernel", metavar="X.Y", shell_complete=kernels, help="Behave as this kernel version."
)
@click.option(
    "--interval",
    metavar="SECONDS",
    type=RealNumber(min=0.001, max=86400),
    help="Look at a live process twice, so long apart, and show how it grows.",
)
@states_machine()
@click.option("--all", "everything", is_flag=True, help="Show every failed call that is kept.")
@answers_in_json("enomem")
@click.option("--html", metavar="FILE", help="Write a page with charts; of a recording.")
@click.option("--prometheus", is_flag=True, help="Prometheus' text format, for exporters.")
@click.pass_context
def enomem(
    ctx: click.Context,
    subject: str | None,
    pid: int | None,
    kernel: str | None,
    interval: float | None,
    everything: bool,
    html: str | None,
    as_json: bool,
    prometheus: bool,
    stated: Stated,
) -> None:
    """Explain why calls failed, and show how much is left of each limit.

    PATH is a recording: for each failed call the check that refused it, how far beyond the limit it
    was, and the smallest change that would have let it pass. PID is a live process, or PATH a saved
    map: what it uses of each limit. Exit status: 0 when no call failed, 1 when one did, 2 when the
    input cannot be used.
    """
    if (subject is None) == (pid is None):
        raise click.UsageError("name a PATH or a PID, and only one of them")
    if as_json and prometheus:
        raise click.UsageError("--json and --prometheus exclude each other")
    what = subject_of(subject or str(pid), stated, moments=False)
    if isinstance(what, MemorySubject):
        raise click.UsageError(f"{what.path}: a kernel's memory; see `vmalab why` with --pid")
    if isinstance(what, SnapshotSubject):
        if kernel is not None or interval is not None or html is not None:
            raise click.UsageError("--kernel, --interval and --html are not for a saved map")
        _saved(what, stated, as_json, prometheus)
        return
    page = _page(html)
    if isinstance(what, ProcessSubject):
        if html is not None:
            raise click.UsageError("--html is for recordings")
        if kernel is not None:
            raise click.UsageError("--kernel is for recordings")
        _process(what.pid, interval, as_json, prometheus)
        return
    if interval is not None:
        raise click.UsageError("--interval is for live processes")
    found, status = _recording(what.recording, kernel, page)
    if page is not None:
        page.write(what.recording, kernel, found)
    if prometheus:
        _print_lines(list(refusal_lines(found)))
    elif as_json:
        say(answer_json("enomem", enomem_answer(found)))
    else:
        print_enomem(found, everything=everything)
    ctx.exit(status)


def _saved(named: SnapshotSubject, stated: Stated, as_json: bool, prometheus: bool) -> None:
    """Print what a saved map counts against the limits."""
    from vmalab.explain.enomem.saved_map import headroom_of_map
    from vmalab.recording.readers.map_file import read_map

    text = read_map(named.path, follow=named.follow)
    rows, notes = headroom_of_map(text.lines, stated, text.breaks)
    notes = text.notes + notes
    if prometheus:
        labels = {"map": named.path}
        _print_lines(list(headroom_lines((labels, row) for row in rows)))
    elif as_json:
        say(answer_json("enomem", saved_limits_answer(named.path, rows, notes)))
    else:
        say(visible(f"{named.path}: {counted(rows[0].used, 'VMA')}"))
        print_headroom(rows)
        for note in notes:
            say(visible(note))


def _process(pid: int, interval: float | None, as_json: bool, prometheus: bool) -> None:
    """A live process, looked at once or twice."""
    from vmalab.explain.enomem.headroom import headroom_of_process
    from vmalab.recording.live.process_limits import read_limits

    first = last = read_limits(pid)
    if interval is not None:
        time.sleep(interval)
        last = read_limits(pid)
    rows = headroom_of_process(first, last)
    if prometheus:
        labels = {"pid": str(pid)}
        _print_lines(list(headroom_lines((labels, row) for row in rows)))
    elif as_json:
        say(answer_json("enomem", limits_answer(pid, rows)))
    else:
        when = "" if interval is None else f", over {interval:g} s"
        say(f"process {pid}{when}:")
        print_headroom(rows)


def _recording(
    recording: RecordingFiles, kernel: str | None, page: "EnomemAsPage | None"
) -> tuple[Enomem, int]:
    """Return the findings of a recording, and the exit status."""
    if kernel is not None:
        check_version(kernel)
    with Progress() as progress:
        progress.begin(recording.path, recording.share_read)
        observers = () if page is None else page.observers
        options = Options(kernel=kernel, progress=progress.advance, observers=observers)
        found, report = replays.enomem(recording, options)
    for note in report.notes:
        complain(f"{recording.path}: {note}")
    if report.total.differ:
        differ = f"{report.total.differ} calls differ from the recording; see vmalab replay"
        complain(f"{recording.path}: {differ}")
    return found, 1 if found.failed or found.others_failed else 0


def _print_lines(lines: list[str]) -> None:
    for line in lines:
        say(line)
