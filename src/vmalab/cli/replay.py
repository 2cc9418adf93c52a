# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab replay`: replays recordings, one after the other, and prints what was found."""

import os
from typing import TYPE_CHECKING, NamedTuple

import click

from vmalab.calls.errors import UsageError, VmalabError
from vmalab.cli.completion import kernels
from vmalab.cli.failures import is_defect, report_defect
from vmalab.cli.in_json import answers_in_json
from vmalab.cli.staffed import staffed
from vmalab.cli.stated import states_machine
from vmalab.crew.staff import ALONE, Staff
from vmalab.recording.format.stated import Stated
from vmalab.recording.opening import open_recording
from vmalab.recording.search import recordings_in
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport
from vmalab.replay.usable import check_usable
from vmalab.targets.model.versions import check_version
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.replay import replay_answer
from vmalab.views.github import annotations
from vmalab.views.output import complain, say
from vmalab.views.progress import Progress
from vmalab.views.text import TextView, replay_messages

if TYPE_CHECKING:
    from vmalab.cli.replay_as_page import ReplayAsPage
    from vmalab.targets.model.model import SeamMaker


def _replay(path: str, stated: Stated, options: Options, progress: Progress) -> ReplayReport:
    """Replay one recording. Errors: ReadError, also for a log without any line of use."""
    recording = open_recording(path, stated)
    progress.begin(path, recording.share_read)
    report = Replay(recording, options).run()
    check_usable(report)
    return report


class ReplayRequest(NamedTuple):
    """What a user states of the machine, and how to show what was found.

    page: also a page, None for none.
    """

    stated: Stated
    view: TextView
    as_json: bool
    as_annotations: bool
    page: "ReplayAsPage | None"

    def show(self, report: ReplayReport) -> None:
        """One recording. Errors: UsageError when the page cannot be written."""
        if self.page is not None:
            self.page.write(report, self.stated)
        if self.as_json:
            say(answer_json("replay", replay_answer(report)))
        elif self.as_annotations:
            for line in annotations(report):
                say(line)
        else:
            self.view.recording(report)


def _page(paths: tuple[str, ...], file: str | None) -> "ReplayAsPage | None":
    """Return the page that is to be written, None for none. Errors: UsageError, ReadError."""
    if file is None:
        return None
    # A tenth of the time that all takes to start.
    from vmalab.cli.replay_as_page import ReplayAsPage

    return ReplayAsPage(paths, file)


def _rules(seam: str | None) -> "SeamMaker | None":
    """Return the rules of a user's file, None without one. Errors: VmalabError."""
    if seam is None:
        return None
    # A tenth of the time that all takes to start.
    from vmalab.testing.seams.rules import load_seam

    return load_seam(seam)


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--kernel", metavar="X.Y", shell_complete=kernels, help="Behave as this kernel version."
)
@answers_in_json("replay", "One JSON object a recording, on one line.")
@click.option("--github", is_flag=True, help="Print annotations for a workflow of GitHub Actions.")
@click.option("--maps", is_flag=True, help="Print the final maps as /proc/PID/maps would.")
@click.option("--story", is_flag=True, help="Show what merged, split and failed on the way.")
@click.option("--stop", is_flag=True, help="Stop at the first difference.")
@click.option("--html", metavar="FILE", help="Write a page with charts; of one recording.")
@click.option(
    "--seam",
    metavar="FILE.py",
    help="Replay under the rules of a file: FILE.py, FILE.py:CLASS or MODULE:CLASS.",
)
@click.option("--tree", metavar="PATH", help="Make the calls on a kernel tree's code as well.")
@staffed("share the recordings")
@states_machine()
@click.pass_context
def replay(
    ctx: click.Context,
    paths: tuple[str, ...],
    kernel: str | None,
    as_json: bool,
    github: bool,
    maps: bool,
    story: bool,
    stop: bool,
    html: str | None,
    seam: str | None,
    tree: str | None,
    staff: Staff,
    stated: Stated,
) -> None:
    """Replay recordings and compare every result and map with what was recorded.

    PATH is a recording, a folder of recordings, or a bare strace log. Exit status: 0 when all is as
    recorded, 1 when something differs, 2 when an input cannot be used.
    """
    if kernel is not None:
        check_version(kernel)
    if as_json and github:
        raise click.UsageError("--json and --github exclude each other")
    if staff != ALONE:
        if maps or story or github or stop or html or seam or tree:
            raise UsageError(
                "--jobs and --cluster go with --json, --kernel and what is stated only"
            )
        from vmalab.cli.replay_shared import replay_shared

        ctx.exit(replay_shared(paths, stated, kernel, as_json, staff))
    if tree is not None:
        if maps or story or github or html is not None:
            raise UsageError("--tree goes with --json, --kernel, --seam and --stop only")
        on_tree = Options(kernel=kernel, stop=stop, seam=_rules(seam))
        # A sixth of the time that it takes to start.
        from vmalab.cli.on_tree import replay_on_tree

        ctx.exit(replay_on_tree(paths, tree, stated, on_tree, as_json))
    page = _page(paths, html)
    request = ReplayRequest(stated, TextView(maps=maps, story=story), as_json, github, page)
    worst = 0
    with Progress() as progress:
        options = Options(
            kernel=kernel,
            stop=stop,
            maps=maps,
            story=story,
            progress=progress.advance,
            seam=_rules(seam),
            observers=() if page is None else (page.history,),
        )
        for top in paths:
            status = _replay_all(top, options, request, progress)
            worst = max(worst, status)
            if stop and status == 1:
                break
    if not as_json and not github:
        request.view.total()
    ctx.exit(worst)


def _replay_all(top: str, options: Options, request: ReplayRequest, progress: Progress) -> int:
    """Return every recording of one path; the worst exit status among them."""
    worst = 0
    try:
        for path in recordings_in(top):
            status = _replay_one(path, options, request, progress)
            worst = max(worst, status)
            if status == 1 and options.stop:
                break
    except VmalabError as error:
        complain(str(error))
        return 2
    return worst


def _replay_one(path: str, options: Options, request: ReplayRequest, progress: Progress) -> int:
    progress.begin(path)
    try:
        report = _replay(path, request.stated, options, progress)
    except VmalabError as error:
        progress.clear()
        complain(str(error))
        return 2
    except Exception as error:
        if os.environ.get("VMALAB_TRACEBACK") or not is_defect(error):
            raise
        progress.clear()
        return report_defect(error, path)
    progress.clear()
    for message in replay_messages(report):
        complain(message)
    request.show(report)
    return 0 if report.identical else 1
