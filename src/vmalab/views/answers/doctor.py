# SPDX-License-Identifier: GPL-2.0-or-later
"""What works on this machine, for programs."""

from collections.abc import Iterable
from typing import TypedDict

from vmalab.targets.real.abilities import Ability


class DoctorAnswer(TypedDict):
    """What works here. abilities: in the order in which a user meets them."""

    abilities: list[Ability]


def doctor_answer(found: Iterable[Ability]) -> DoctorAnswer:
    """Return what was found."""
    return {"abilities": list(found)}
