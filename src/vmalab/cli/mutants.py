# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb `mutants`: put historic kernel bugs back, and see which test notices each."""

from typing import Final

import click

from vmalab.testing.cases.suites import shipped_cases
from vmalab.testing.mutants import MUTANTS, Killing, kill_all, mutated
from vmalab.testing.walks.walk import search
from vmalab.views.json import json_text
from vmalab.views.output import say

# Calls of a random walk, and steps of it, until a mutant counts as unnoticed.
WALKS: Final = 1000
STEPS: Final = 40


@click.command("mutants")
@click.argument("patterns", metavar="[NAME]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, on one line.")
@click.option("--walk", is_flag=True, help="Look for each with a random walk as well; slow.")
@click.option("--list", "as_list", is_flag=True, help="List the bugs, with references.")
def mutants(patterns: tuple[str, ...], as_json: bool, walk: bool, as_list: bool) -> int:
    """Put historic kernel bugs back, one at a time, and run the unit tests until one fails.

    The exit status is 0 when every bug was noticed, 1 when one survived.
    """
    chosen = [one for one in MUTANTS if not patterns or any(word in one.name for word in patterns)]
    if not chosen:
        raise click.UsageError(f"no mutant is called {' or '.join(patterns)}")
    if as_list:
        for one in chosen:
            say(f"{one.name}: {one.effect}")
            say(f"  Linux {one.versions} ({one.reference})")
        return 0
    killings = kill_all(chosen, shipped_cases())
    steps = {one.mutant.name: walk_steps(one, True) for one in killings} if walk else {}
    alone = {one.mutant.name: walk_steps(one, False) for one in killings} if walk else {}
    survivors = [one.mutant.name for one in killings if not one.killed]
    survivors += [name for name, made in steps.items() if made < 0 and name not in survivors]
    if as_json:
        say(json_text(as_object(killings, steps, alone, survivors)))
    else:
        show(killings, steps, alone, survivors)
    return 1 if survivors else 0


def walk_steps(killing: Killing, twin: bool) -> int:
    """The steps that a random walk needs to notice a mutant, -1 when it does not.

    twin: whether it compares with the usual rules, besides asking laws.
    """
    mutant = killing.mutant
    made, found = search(range(WALKS), STEPS, mutated(mutant), mutant.kernel, twin)
    return made if found is not None else -1


def as_object(
    killings: list[Killing],
    steps: dict[str, int],
    alone: dict[str, int],
    survivors: list[str],
) -> dict[str, object]:
    """What was found, for other programs."""
    return {
        "mutants": len(killings),
        "killed": len(killings) - len(survivors),
        "survivors": survivors,
        "kills": [
            {
                "name": one.mutant.name,
                "reference": one.mutant.reference,
                "versions": one.mutant.versions,
                "effect": one.mutant.effect,
                "case": one.case,
                "problem": one.problem,
                "milliseconds": round(one.seconds * 1000, 2),
                "walk_steps": steps.get(one.mutant.name),
                "law_steps": alone.get(one.mutant.name),
            }
            for one in killings
        ],
    }


def show(
    killings: list[Killing], steps: dict[str, int], alone: dict[str, int], survivors: list[str]
) -> None:
    """Print a line for each mutant, and a sum."""
    for one in killings:
        name = one.mutant.name
        walked = f", walk: {steps[name]} steps, by laws alone: {alone[name]}" if steps else ""
        what = f"{one.case}, {one.seconds * 1000:.1f} ms" if one.killed else "SURVIVES"
        say(f"{one.mutant.name}: {what}{walked}")
    killed = len(killings) - len(survivors)
    say(f"{len(killings)} mutants, {killed} killed, {len(survivors)} survivors")
