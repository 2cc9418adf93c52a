# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab fleet`: many recordings at once."""

import os
from typing import Final

import click

from vmalab.calls.errors import UsageError
from vmalab.cli.completion import kernels
from vmalab.cli.in_json import answers_in_json
from vmalab.cli.real_number import RealNumber
from vmalab.cli.staffed import staffed
from vmalab.crew.staff import Staff
from vmalab.explain.blame.culprits import BY, CALL
from vmalab.fleet.account import PROGRAM, SERVICES, Asked
from vmalab.fleet.report import NEAR, FleetSurvey, find_all, survey_fleet
from vmalab.fleet.scenarios import MAX_MAP_COUNT, Scenario
from vmalab.parent import leave_in_order
from vmalab.recording.format.stated import parse_rlimit, parse_setting
from vmalab.targets.model.versions import SUPPORTED, check_version
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.fleet import fleet_answer
from vmalab.views.fleet import fleet_tables
from vmalab.views.html.document import check_library, write_page
from vmalab.views.html.fleet import fleet_page
from vmalab.views.output import complain, put, say
from vmalab.views.progress import Progress

TOP: Final = 10
# The usual limit of today's distributions, beside the kernel's own 65530.
_RAISED: Final = 1_048_576
_CPUS: Final = len(os.sched_getaffinity(0))


@click.command()
@click.argument("action", type=click.Choice(("report",)))
@click.argument("paths", metavar="DIR...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--kernel",
    "versions",
    metavar="X.Y",
    multiple=True,
    shell_complete=kernels,
    help="What if the kernel were this version? May be given again, as --set and --rlimit.",
)
@click.option(
    "--set", "settings", metavar="NAME=N", multiple=True, help="What if: vm.max_map_count=262144."
)
@click.option("--rlimit", metavar="NAME=BYTES", multiple=True, help="What if: AS=2G, MEMLOCK=8M.")
@click.option("--no-whatif", is_flag=True, help="Ask no what-if at all.")
@click.option(
    "--by",
    type=click.Choice(BY),
    default=CALL,
    show_default=True,
    help="What causes are summed by.",
)
@click.option(
    "--service",
    "services",
    type=click.Choice(SERVICES),
    default=PROGRAM,
    show_default=True,
    help="What a service is: the program that was recorded, or the folder below DIR.",
)
@click.option(
    "--near",
    metavar="PERCENT",
    type=RealNumber(0, 100),
    default=NEAR,
    show_default=True,
    help="From which part of a limit on a recording is near it.",
)
@click.option("--sample", metavar="N", type=click.IntRange(1), help="Look at N recordings only.")
@click.option(
    "--each",
    metavar="N",
    type=click.IntRange(1),
    help="Look at N recordings of each folder in DIR.",
)
@click.option(
    "--seed",
    metavar="S",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Which ones: the same for the same seed.",
)
@staffed("share the recordings", _CPUS)
@click.option("--top", metavar="N", type=click.IntRange(1), default=TOP, show_default=True)
@click.option("--html", metavar="FILE", help="Write a page.")
@answers_in_json("fleet", "One JSON object with everything.")
@click.pass_context
def fleet(
    ctx: click.Context,
    action: str,
    paths: tuple[str, ...],
    versions: tuple[str, ...],
    settings: tuple[str, ...],
    rlimit: tuple[str, ...],
    no_whatif: bool,
    by: str,
    services: str,
    near: float,
    sample: int | None,
    each: int | None,
    seed: int,
    staff: Staff,
    top: int,
    html: str | None,
    as_json: bool,
) -> None:
    """Report on many recordings: who nears which limit, what makes VMAs, what changes would do.

    DIR is a folder with recordings in it or below, or an address of shared storage such as
    s3://BUCKET/FOLDER. Without --kernel, --set and --rlimit, the newest kernel and a raised
    vm.max_map_count are tried. Exit status: 0, or 1 when a recording is near a limit or was refused
    calls by one, 2 when no recording is of use.
    """
    scenarios = _scenarios(versions, settings, rlimit)
    if no_whatif and (versions or settings or rlimit):
        raise UsageError("--no-whatif excludes --kernel, --set and --rlimit")
    if html is not None:
        check_library()
    leave_in_order()
    asked = Asked(() if no_whatif else scenarios, by, services, tops=paths)
    survey = FleetSurvey(paths, asked, staff, sample or 0, each or 0, seed, near)
    with Progress() as progress:
        progress.begin("looking for recordings")
        found = find_all(survey)
        done = 0
        progress.begin("fleet", lambda: done / len(found))

        def tell(number: int) -> None:
            nonlocal done
            done = number
            progress.advance(number, f"{number} of {len(found)} recordings")

        sums = survey_fleet(survey, found, tell)
    for path, why in sums.unusable[:top]:
        complain(why if path in why else f"{path}: {why}")
    if sums.unusable_count > top:
        complain(f"{sums.unusable_count - top} more recordings of no use")
    if html is not None:
        write_page(html, fleet_page(sums, ", ".join(paths)))
    if as_json:
        say(answer_json("fleet", fleet_answer(sums)))
    else:
        for part in fleet_tables(sums, top):
            put(part)
    if not sums.recordings:
        ctx.exit(2)
    ctx.exit(1 if sums.near or sums.refused else 0)


def _scenarios(
    versions: tuple[str, ...], settings: tuple[str, ...], rlimits: tuple[str, ...]
) -> tuple[Scenario, ...]:
    """Return what is tried: kernels first. Errors: UsageError."""
    found = [Scenario(kernel=check_version(version)) for version in versions]
    found += [Scenario(setting=parse_setting(text)) for text in settings]
    found += [Scenario(rlimit=parse_rlimit(text)) for text in rlimits]
    usual = (Scenario(kernel=SUPPORTED[-1]), Scenario(setting=(MAX_MAP_COUNT, _RAISED)))
    return tuple(found) or usual
