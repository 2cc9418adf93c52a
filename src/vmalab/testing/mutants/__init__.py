# SPDX-License-Identifier: GPL-2.0-or-later
"""Historic bugs put back into the engine, to see that the tests notice.

A suite that passes says little; one that fails for each of these says what it guards.  Each bug is
a diff in this folder.
"""

from vmalab.testing.mutants.catalogue import MUTANTS, Mutant
from vmalab.testing.mutants.faults import FAULTS, GUEST, Fault
from vmalab.testing.mutants.run_mutant import Killing, Walking, kill_all, walk_all

__all__ = (
    "FAULTS",
    "GUEST",
    "MUTANTS",
    "Fault",
    "Killing",
    "Mutant",
    "Walking",
    "kill_all",
    "walk_all",
)
