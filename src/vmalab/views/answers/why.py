# SPDX-License-Identifier: GPL-2.0-or-later
"""What keeps VMAs apart, for programs."""

from typing import NotRequired, TypedDict

from vmalab.explain.why.boundaries import BoundaryGroup, Holes, KindTotal
from vmalab.explain.why.place import Place
from vmalab.views.answers.stacks import (
    BlamedVmaAnswer,
    LifeEventAnswer,
    StackAnswer,
    StackTable,
)
from vmalab.views.processes import ProcessesFound
from vmalab.views.why import WhyFindings, made_around, notes_of


class WhyAnswer(TypedDict):
    """One map at one moment. subject: as the user named it. at: "end", "peak", "line N", "now", or
    "saved". image, line: of a recording, else "" and 0. kernel: whose rules were asked.

    vmas: how many there are. touching: boundaries between two VMAs without a hole. untried: those
    of them at which no condition fails. untried_saves: VMAs fewer if all of these became one.
    groups: boundaries by the conditions that fail. kinds: each kind of condition over all
    boundaries. holes: between VMAs. complete: whether everything is known that decides a merge, as
    of a recording. has_flags: whether VmFlags are known. place: what lies at the address that was
    asked for. made: who made the VMAs there. life: of the VMA there. stacks: of calls, each once.
    """

    subject: str
    at: str
    image: str
    line: int
    kernel: str
    notes: list[str]
    vmas: int
    touching: int
    untried: int
    untried_saves: int
    groups: tuple[BoundaryGroup, ...]
    kinds: tuple[KindTotal, ...]
    holes: Holes
    complete: bool
    has_flags: bool
    place: NotRequired[Place]
    made: NotRequired[list[BlamedVmaAnswer]]
    life: NotRequired[list[LifeEventAnswer]]
    stacks: NotRequired[list[StackAnswer]]


class ProcessAnswer(TypedDict):
    """A process with an address space. name: as the kernel has it. vmas: how many it has."""

    pid: int
    name: str
    vmas: int


class ProcessesAnswer(TypedDict):
    """The processes in a kernel's memory, those with the most VMAs first.

    subject: as the user named it. release: of the kernel, as it says.
    """

    subject: str
    release: str
    processes: list[ProcessAnswer]


def processes_answer(found: ProcessesFound) -> ProcessesAnswer:
    """Return the answer."""
    processes: list[ProcessAnswer] = [
        {"pid": one.pid, "name": one.name, "vmas": one.vmas} for one in found.processes
    ]
    return {"subject": found.subject, "release": found.release, "processes": processes}


def why_answer(found: WhyFindings) -> WhyAnswer:
    """Return the answer."""
    why = found.why
    answer: WhyAnswer = {
        "subject": found.subject,
        "at": found.at,
        "image": found.image,
        "line": found.line,
        "kernel": found.kernel,
        "notes": list(notes_of(found)),
        "vmas": why.vmas,
        "touching": why.touching,
        "untried": why.untried,
        "untried_saves": why.untried_saves,
        "groups": why.groups,
        "kinds": why.kinds,
        "holes": why.holes,
        "complete": why.complete,
        "has_flags": why.has_flags,
    }
    if found.place is not None:
        answer["place"] = found.place
    if found.blame is not None:
        table = StackTable()
        answer["made"] = [table.vma(vma) for vma in made_around(found.blame, found.place)]
        answer["life"] = [table.event(event) for event in found.blame.life]
        answer["stacks"] = table.stacks()
    return answer
