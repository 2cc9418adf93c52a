# SPDX-License-Identifier: GPL-2.0-or-later
"""All properties that tell kernel versions apart: the one table, from the files beside this.

The engine asks for a property, never for a version. To add one, add it to the file of its area and
run `make features`: that makes the attribute (`features.py`) and the manual
(`docs/reference/versions.md`).

Versions are those of the kernels that were compared (5.10.262, 6.1.192, 6.12.117, 6.16.12, 6.17.13,
6.18.15 and 6.18.44, 6.19.8, 7.0.13, 7.1.13, 7.2.12, 7.3.4): "since 6.16" means that 6.16.12 has it
and 6.12.117 does not. Calls beside the VMA core were compared with 6.19.14 instead of 6.19.8. A
change that a stable series got later is `backported`, from the point release that brought it or,
where that is not known, from the one that was compared.
"""

from typing import Final

from vmalab.linux.include.differences.calls import CALLS
from vmalab.linux.include.differences.exec_proc import EXEC_PROC
from vmalab.linux.include.differences.files import FILES
from vmalab.linux.include.differences.mappings import MAPPINGS
from vmalab.linux.include.differences.moves import MOVES
from vmalab.linux.include.differences.userfaultfd import USERFAULTFD
from vmalab.linux.include.feature import Area, Feature

AREAS: Final[tuple[Area, ...]] = (MAPPINGS, MOVES, FILES, USERFAULTFD, CALLS, EXEC_PROC)
FEATURES: Final[tuple[Feature, ...]] = (
    *MAPPINGS.features,
    *MOVES.features,
    *FILES.features,
    *USERFAULTFD.features,
    *CALLS.features,
    *EXEC_PROC.features,
)
