# SPDX-License-Identifier: GPL-2.0-or-later
"""Opens the crew that a user asked for: this process, processes of this machine, a cluster."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext

from vmalab.crew.hand import Opens
from vmalab.crew.processes import Alone, Processes
from vmalab.crew.sharing import Crew, P
from vmalab.crew.staff import Staff


@contextmanager
def open_crew(opens: Opens[P], staff: Staff) -> Iterator[Crew[P]]:
    """Yield a crew, each of whose workers opens a place once. Errors: VmalabError."""
    if staff.cluster:
        from vmalab.crew.cluster import open_cluster

        with open_cluster(staff.cluster, opens, staff.mutant) as crew:
            yield crew
    elif staff.jobs == 1 and not staff.mutant:
        with opens() as place:
            yield Alone(place)
    else:
        with closing(Processes(opens, staff.jobs, staff.mutant)) as crew:
            yield crew


def nowhere() -> nullcontext[None]:
    """Return the place of units that need none."""
    return nullcontext()
