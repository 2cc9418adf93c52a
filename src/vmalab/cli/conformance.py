# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab conformance`: exports streams that others can hold their memory calls to."""

from typing import Final

import click

from vmalab.cli.completion import kernels
from vmalab.conformance.export import ExportPlan, export
from vmalab.conformance.window import PROFILES
from vmalab.targets.model.versions import SUPPORTED, check_version
from vmalab.views.output import say
from vmalab.views.progress import Progress

# Streams and calls beyond which a kit is of no more use.
_MOST: Final = 10_000


@click.command()
@click.argument("action", type=click.Choice(("export",)))
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option(
    "--kernel",
    "versions",
    metavar="X.Y",
    multiple=True,
    shell_complete=kernels,
    help="What this version answers; may be given again. Default: each that there is a model of.",
)
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    type=click.Choice(tuple(PROFILES)),
    help="Streams of this kind only; may be given again.",
)
@click.option(
    "--streams",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=40,
    show_default=True,
    help="Streams of each profile for each kernel.",
)
@click.option(
    "--calls",
    metavar="N",
    type=click.IntRange(1, _MOST),
    default=40,
    show_default=True,
    help="Calls of each stream.",
)
@click.option("--seed", metavar="S", type=click.IntRange(0), default=1, show_default=True)
def conformance(
    action: str,
    folder: str,
    versions: tuple[str, ...],
    profiles: tuple[str, ...],
    streams: int,
    calls: int,
    seed: int,
) -> None:
    """Export a conformance kit: streams of memory calls with what Linux answers, and runners.

    DIR is a new or empty folder. It gets a README.md, streams as JSON lines for each kernel, and
    a runner in C and one in Python that make the calls of a stream and compare results and maps:
    by system calls, or by a memory manager of yours. Exit status: 0, or 2 when DIR cannot be used.
    """
    for version in versions:
        check_version(version)
    plan = ExportPlan(versions or SUPPORTED, profiles or tuple(PROFILES), streams, calls, seed)
    with Progress() as progress:
        progress.begin(folder)
        written = export(folder, plan, lambda count: progress.advance(count, f"{count} streams"))
    say(f"{folder}: {written} streams of {calls} calls, for Linux {', '.join(plan.kernels)}")
