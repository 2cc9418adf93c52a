# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb `mutants`: put historic kernel bugs back, and see which test notices each."""

import os
from collections.abc import Sequence

import click

from vmalab.cli.in_json import answers_in_json
from vmalab.cli.staffed import staffed
from vmalab.crew.staff import Staff
from vmalab.testing.mutants import MUTANTS, Killing, Mutant, Walking, kill_all, walk_all
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.mutants import mutants_answer
from vmalab.views.output import put_exact, say, say_lines
from vmalab.views.progress import Progress
from vmalab.views.text_table import counted


@click.command("mutants")
@click.argument("patterns", metavar="[NAME]...", nargs=-1)
@answers_in_json("mutants", "One JSON object, on one line.")
@click.option("--walk", is_flag=True, help="Look for each with a random walk as well; slow.")
@staffed("put back one bug each", len(os.sched_getaffinity(0)))
@click.option("--list", "as_list", is_flag=True, help="List the bugs, with references.")
@click.option("--show", is_flag=True, help="Print the diff that makes each bug.")
def mutants(
    patterns: tuple[str, ...],
    as_json: bool,
    walk: bool,
    staff: Staff,
    as_list: bool,
    show: bool,
) -> int:
    """Put historic kernel bugs back, one at a time, and run the unit tests until one fails.

    NAME is a part of a bug's name; without any, all are put back.  Each is a diff, applied to the
    engine's sources in memory.  VMALAB_MUTANT=NAME in the environment runs any other verb with the
    bug in the engine.  The exit status is 0 when every bug was noticed, 1 when one survived.
    """
    chosen = [one for one in MUTANTS if not patterns or any(word in one.name for word in patterns)]
    if not chosen:
        raise click.UsageError(f"no mutant is called {' or '.join(patterns)}")
    if as_list or show:
        for one in chosen:
            if show:
                put_exact(one.diff.splitlines())
            else:
                say_lines(summary(one))
        return 0
    with Progress() as progress:
        killings: list[Killing] = []
        progress.begin("mutants", lambda: len(killings) / len(chosen))
        for killing in kill_all(chosen, staff):
            killings.append(killing)
            progress.advance(len(killings), f"{killing.mutant.name} the last of {len(killings)}")
    walkings = list(walk_all(chosen, staff)) if walk else []
    survivors = [one.mutant.name for one in killings if not one.killed]
    for mutant, walking in zip(chosen, walkings, strict=False):
        if walking.twin < 0 and mutant.name not in survivors:
            survivors.append(mutant.name)
    if as_json:
        say(answer_json("mutants", mutants_answer(killings, walkings, survivors)))
    else:
        report(killings, walkings, survivors)
    return 1 if survivors else 0


def summary(mutant: Mutant) -> str:
    """Return what a mutant is, in two lines."""
    return f"{mutant.name}: {mutant.effect}\n  Linux {mutant.versions} ({mutant.reference})"


def report(killings: Sequence[Killing], walkings: Sequence[Walking], survivors: list[str]) -> None:
    """Print a line for each mutant, and a sum."""
    for number, one in enumerate(killings):
        walked = ""
        if walkings:
            walking = walkings[number]
            walked = f", walk: {walking.twin} steps, by laws alone: {walking.laws}"
        what = f"{one.case}, {one.seconds * 1000:.1f} ms" if one.killed else "SURVIVES"
        say(f"{one.mutant.name}: {what}{walked}")
    killed = len(killings) - len(survivors)
    rest = counted(len(survivors), "survivor")
    say(f"{counted(len(killings), 'mutant')}, {killed} killed, {rest}")
