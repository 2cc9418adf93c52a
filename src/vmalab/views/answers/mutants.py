# SPDX-License-Identifier: GPL-2.0-or-later
"""Which test notices each historic bug, for programs."""

from collections.abc import Sequence
from typing import TypedDict

from vmalab.testing.mutants import Killing, Walking


class KillAnswer(TypedDict):
    """One bug. reference: of its fix. versions: that had it. case: the first that failed, "" when
    all passed. problem: what was wrong. milliseconds: of the cases until then. walk_steps,
    law_steps: random steps until a twin, or a law, noticed; -1: never; null: not tried.
    """

    name: str
    reference: str
    versions: str
    effect: str
    case: str
    problem: str
    milliseconds: float
    walk_steps: int | None
    law_steps: int | None


class MutantsAnswer(TypedDict):
    """All bugs. mutants: how many were put back. killed: noticed. survivors: by name."""

    mutants: int
    killed: int
    survivors: list[str]
    kills: list[KillAnswer]


def mutants_answer(
    killings: Sequence[Killing], walkings: Sequence[Walking], survivors: list[str]
) -> MutantsAnswer:
    """Return what was found."""
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
                "walk_steps": walkings[number].twin if walkings else None,
                "law_steps": walkings[number].laws if walkings else None,
            }
            for number, one in enumerate(killings)
        ],
    }
