# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab blame`: which call made each VMA of a recording, and which causes made the most."""

from typing import Final

import click

from vmalab.api.recording import Recording
from vmalab.cli.in_json import answers_in_json
from vmalab.cli.moment import chooses_moment
from vmalab.cli.stated import states_machine
from vmalab.cli.subject import parse_address, parse_at
from vmalab.explain.blame.culprits import BY, CALL, SITE
from vmalab.explain.blame.skipping import Skipping
from vmalab.explain.blame.tally import StackTally
from vmalab.recording.format.stated import Stated
from vmalab.recording.search import one_recording
from vmalab.replay.replay import Options
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.blame import blame_answer
from vmalab.views.blame import blame_tables
from vmalab.views.output import put, say
from vmalab.views.progress import Progress

TOP: Final = 5


@click.command()
@click.argument("path", metavar="PATH", type=click.Path())
@chooses_moment
@click.option("--addr", metavar="ADDR", help="Show the history of the VMA at this address.")
@click.option(
    "--by",
    type=click.Choice(BY),
    default=SITE,
    show_default=True,
    help="What to sum by. file: of the source; mapping: the mapped file.",
)
@click.option(
    "--frames",
    metavar="N",
    type=click.IntRange(0),
    default=0,
    help="Show N frames of a stack of each row.",
)
@click.option(
    "--skip",
    metavar="LIB",
    multiple=True,
    help="Put no call down to this library, but to what called it. Repeatable.",
)
@click.option(
    "--no-skip", is_flag=True, help="Do not skip the C library, allocators and virtual machines."
)
@states_machine()
@click.option("--top", metavar="N", type=click.IntRange(1), default=TOP, show_default=True)
@click.option("--all", "all_vmas", is_flag=True, help="List every VMA.")
@click.option("--html", metavar="FILE", help="Write a page with charts.")
@answers_in_json("blame", "One JSON object with everything.")
def blame(
    path: str,
    at: str,
    addr: str | None,
    by: str,
    frames: int,
    skip: tuple[str, ...],
    no_skip: bool,
    image: str | None,
    kernel: str | None,
    top: int,
    all_vmas: bool,
    html: str | None,
    as_json: bool,
    stated: Stated,
) -> None:
    """Show which call made each VMA and each boundary, and what made the most of them.

    PATH is a recording or a bare strace log. Exit status: 0, or 2 when it cannot be used.
    """
    address = None if addr is None else parse_address(addr)
    moment = parse_at(at)
    if html is not None:
        # A tenth of the time that all takes to start.
        from vmalab.explain.history.history import History
        from vmalab.explain.whatif.cures import cures_of
        from vmalab.views.html.blame import blame_page
        from vmalab.views.html.document import check_library, write_page

        check_library()
        history, tally = History(), StackTally()
    recording = one_recording(path, stated)
    with Progress() as progress:
        progress.begin(path, recording.share_read)
        asked = Recording(recording, Options(progress=progress.advance))
        observers = () if html is None else (history,)
        found = asked.blame(
            address,
            at=moment,
            image=image,
            kernel=kernel,
            observers=observers,
            skipping=Skipping(skip, usual=not no_skip),
            tally=None if html is None else tally,
        )
    if html is not None:
        history.finish()
        shares = found.report.shares[CALL]
        calls = sum(seen.series.calls for seen in history.images.values())
        cures = cures_of(recording, Options(kernel=kernel), found.report.image, shares, calls)
        write_page(html, blame_page(found, history, tally, cures, recording.frames()))
    if as_json:
        say(answer_json("blame", blame_answer(found)))
        return
    parts = blame_tables(found, by=by, top=top, frames=frames, listed=all_vmas, address=address)
    for part in parts:
        put(part)
