# SPDX-License-Identifier: GPL-2.0-or-later
"""The faults that this engine once had, and others found: what the heads of their diffs say.

No bug of Linux, so no case of the kit is about them; `vmalab check --mutant faults` must find each.
The head of a diff has these fields:

    Effect:  what the engine did wrong
    Seen:    what showed it
    Needs:   "guest" where no check of the running machine can show it
"""

from dataclasses import dataclass
from typing import Final

from vmalab.mutated import SUFFIX, fault_names, read_diff
from vmalab.patch import parse

GUEST: Final = "guest"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: the fields of its head."""

    name: str
    effect: str
    seen: str
    needs: str


def read_fault(name: str) -> Fault:
    """Return the fault of a name. Errors: PatchError when its diff is not as it should be."""
    head = parse(read_diff(name), f"{name}{SUFFIX}").head
    return Fault(name, head["Effect"], head["Seen"], head.get("Needs", ""))


FAULTS: Final = tuple(read_fault(name) for name in fault_names())
