# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab bench`: measures the model against the live kernel, and its parts alone."""

import click

from vmalab.bench.figures import ALL, CALLS, RECORD, BenchPlan, run_bench
from vmalab.cli.in_json import answers_in_json
from vmalab.recording.search import recordings_in
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.bench import bench_answer
from vmalab.views.bench import bench_lines
from vmalab.views.output import say
from vmalab.views.progress import Progress


@click.command()
@click.argument("what", metavar="[WHAT]...", nargs=-1, type=click.Choice((*ALL, RECORD)))
@click.option("--pairs", metavar="N", type=click.IntRange(1), default=5, show_default=True)
@click.option("--calls", metavar="N", type=click.IntRange(100), default=CALLS, show_default=True)
@click.option("--seed", metavar="S", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--recordings",
    "folders",
    metavar="PATH",
    multiple=True,
    type=click.Path(),
    help="Recorded programs for the profile real; may be given several times.",
)
@click.option("--busy", is_flag=True, help="Let the other cores walk memory meanwhile.")
@answers_in_json("bench", "One JSON object, on one line.")
def bench(
    what: tuple[str, ...],
    pairs: int,
    calls: int,
    seed: int,
    folders: tuple[str, ...],
    busy: bool,
    as_json: bool,
) -> None:
    """Measure the model against this machine's kernel on the same calls, taking turns.

    WHAT is one or several of the profiles dense, pages4096, pages65536, placement, mremap, file,
    mlock and fork, or real, peers, growth, parts or pipeline; without it all of these are
    measured. pipeline is whole commands on a long log. record is what recording costs: the same
    programs alone and under each recorder.
    """
    recordings = tuple(path for folder in folders for path in recordings_in(folder))
    if "real" in what and not recordings:
        raise click.UsageError("real: --recordings names the recorded programs")
    plan = BenchPlan(what or ALL, pairs, calls, seed, recordings, busy)
    with Progress() as progress:
        progress.begin("bench")
        figures = run_bench(plan, lambda doing: progress.advance(0, doing))
    if as_json:
        say(answer_json("bench", bench_answer(figures)))
        return
    for line in bench_lines(figures):
        say(line)
