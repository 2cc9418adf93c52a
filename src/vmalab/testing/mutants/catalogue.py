# SPDX-License-Identifier: GPL-2.0-or-later
"""The catalogue of historic bugs: what the heads of the diffs beside this file say of each.

A diff changes the engine into what the bug made of the kernel, in as few lines as that takes.  Its
head has these fields, of which the last three are needed by some only:

    Effect:     what a user or a process sees
    Versions:   kernels that had it, as far as known
    Reference:  a commit, a mail or a source that was read, or a measurement
    Cases:      the cases that must fail, with blanks between them
    Kernel:     the version into whose behaviour it is put, where the usual one has it anyway
    Needs:      "guest" where no check of the running machine can show it
    Hidden:     why no call of a process can show it; without it, `vmalab check --mutant all` must
"""

from dataclasses import dataclass
from typing import Final

from vmalab.mutated import SUFFIX, names, read_diff
from vmalab.patch import parse

LICENCE: Final = "SPDX-License-Identifier"
NEEDED: Final = (LICENCE, "Effect", "Versions", "Reference", "Cases")
POSSIBLE: Final = (*NEEDED, "Kernel", "Needs", "Hidden")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One historic bug: the fields of its head, and the diff itself."""

    name: str
    effect: str
    versions: str
    reference: str
    cases: tuple[str, ...]
    kernel: str
    needs: str
    hidden: str
    diff: str


def read_mutant(name: str) -> Mutant:
    """Return the mutant of a name. Errors: PatchError when its diff is not as it should be."""
    diff = read_diff(name)
    head = parse(diff, f"{name}{SUFFIX}").head
    return Mutant(
        name,
        head["Effect"],
        head["Versions"],
        head["Reference"],
        tuple(head["Cases"].split()),
        head.get("Kernel", ""),
        head.get("Needs", ""),
        head.get("Hidden", ""),
        diff,
    )


MUTANTS: Final = tuple(read_mutant(name) for name in names())
