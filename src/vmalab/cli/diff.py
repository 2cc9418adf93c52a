# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab diff`: which causes have more VMAs in one recording of a workload than in another."""

import click

from vmalab.cli.completion import kernels
from vmalab.cli.in_json import answers_in_json
from vmalab.explain.blame.culprits import BY, SITE
from vmalab.explain.diff.growth import growth
from vmalab.recording.search import one_recording
from vmalab.replay.replay import Options
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.diff import diff_answer
from vmalab.views.diff import growth_tables
from vmalab.views.output import put, say
from vmalab.views.progress import Progress


@click.command()
@click.argument("before", metavar="A", type=click.Path())
@click.argument("after", metavar="B", type=click.Path())
@click.option(
    "--by", type=click.Choice(BY), default=SITE, show_default=True, help="What VMAs are summed by."
)
@click.option(
    "--allow",
    metavar="N",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="VMAs that B may have more than A.",
)
@click.option("--top", metavar="N", type=click.IntRange(1), default=10, show_default=True)
@click.option(
    "--kernel", metavar="X.Y", shell_complete=kernels, help="Behave as this kernel version."
)
@answers_in_json("diff")
@click.pass_context
def diff(
    ctx: click.Context,
    before: str,
    after: str,
    by: str,
    allow: int,
    top: int,
    kernel: str | None,
    as_json: bool,
) -> None:
    """Compare the VMAs of two recordings of the same workload.

    A is the recording from before a change, B the one after it. Of each, the image with the most
    VMAs is compared, at its peak and at its end, cause by cause. Exit status: 0 when B has no more
    VMAs than A (and --allow) at either moment, 1 when it has more, 2 when an input cannot be used.
    """
    first, second = one_recording(before), one_recording(after)
    with Progress() as progress:
        progress.begin(f"{before}, {after}")
        found = growth(first, second, by, Options(kernel=kernel, progress=progress.advance))
    if as_json:
        say(answer_json("diff", diff_answer(found, allow)))
    else:
        for part in growth_tables(found, top):
            put(part)
    ctx.exit(1 if found.more > allow else 0)
