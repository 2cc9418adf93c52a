# SPDX-License-Identifier: GPL-2.0-or-later
"""Who works on what is shared out: as a user says it, before anything is opened for them."""

from typing import Final, NamedTuple


class Staff(NamedTuple):
    """Who works. jobs: processes of this machine. cluster: the address of a Dask scheduler, whose
    workers do it instead; "" for none. mutant: the bug that their engine has, "" for none.
    """

    jobs: int = 1
    cluster: str = ""
    mutant: str = ""


ALONE: Final = Staff()
