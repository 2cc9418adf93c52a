# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab blame`: which call made each VMA of a recording, and which causes made the most."""

from typing import Final

import click

from vmalab.cli.stated import states_machine
from vmalab.cli.subject import notes_on, one_recording, parse_address, parse_at
from vmalab.explain.blame.culprits import BY, CALL, SITE, blame_report
from vmalab.explain.blame.watcher import Blame, Moment
from vmalab.explain.history.history import History
from vmalab.explain.why.moment import PEAK, missing
from vmalab.recording.format.stated import Stated
from vmalab.replay.replay import Options, Replay
from vmalab.views.blame import LISTED, BlameFindings, blame_json, blame_tables
from vmalab.views.html.blame import blame_page
from vmalab.views.html.document import check_library, write_page
from vmalab.views.output import put, say
from vmalab.views.progress import Progress

TOP: Final = 10


@click.command()
@click.argument("path", metavar="PATH", type=click.Path())
@click.option(
    "--at",
    metavar="LINE|end|peak",
    default="peak",
    show_default=True,
    help="The moment: after a line of the log, the end, or when there were the most VMAs.",
)
@click.option("--addr", metavar="ADDR", help="Show the history of the VMA at this address.")
@click.option("--by", type=click.Choice(BY), help="Sum by this alone. Default: by site and call.")
@click.option("--image", metavar="ID", help="The process image; default: the most VMAs.")
@click.option("--kernel", metavar="X.Y", help="Replay as this kernel version.")
@states_machine()
@click.option("--top", metavar="N", type=click.IntRange(1), default=TOP, show_default=True)
@click.option("--all", "all_vmas", is_flag=True, help="List every VMA.")
@click.option("--html", metavar="FILE", help="Write a page with charts.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with everything.")
def blame(
    path: str,
    at: str,
    addr: str | None,
    by: str | None,
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
        check_library()
    history = History()
    recording = one_recording(path, stated)
    watcher = Blame(lives=address is not None)
    with Progress() as progress:
        progress.begin(path)
        replay = Replay(
            recording,
            Options(
                kernel=kernel,
                progress=progress.advance,
                observers=(watcher,) if html is None else (watcher, history),
                until=moment if isinstance(moment, int) else 0,
            ),
        )
        report = replay.run()
    notes = notes_on(report)
    moments = watcher.moments(peak=moment == PEAK)
    if isinstance(moment, int):
        living = {state.name: mm for state, mm in replay.living()}
        for state, mm in replay.living():
            watcher.ended(state, mm)
        moments = [item for item in watcher.moments(peak=False) if item.image in living]
    ranked = sorted(moments, key=_size, reverse=True)
    chosen = next((item for item in ranked if image in (None, item.image)), None)
    if chosen is None:
        raise missing(recording, moment, image)
    found = BlameFindings(
        path,
        f"line {moment}" if isinstance(moment, int) else moment,
        report.kernel,
        blame_report(chosen, address),
        notes,
        tuple((item.image, len(item.vmas)) for item in ranked if item is not chosen),
    )
    if html is not None:
        history.finish()
        write_page(html, blame_page(found, history))
    if as_json:
        say(blame_json(found))
        return
    listed = len(chosen.vmas) if all_vmas else LISTED
    sums = (SITE, CALL) if by is None else (by,)
    for part in blame_tables(found, by=sums, top=top, listed=listed, address=address):
        put(part)


def _size(moment: Moment) -> int:
    return len(moment.vmas)
