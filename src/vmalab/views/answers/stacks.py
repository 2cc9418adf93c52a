# SPDX-License-Identifier: GPL-2.0-or-later
"""Deeds for programs: a stack stands once in an answer, and deeds have its number."""

from typing import TypedDict, final

from vmalab.explain.blame.callsite import Stack
from vmalab.explain.blame.culprits import BlamedVma, Deed, LifeEvent, Share


class FrameAnswer(TypedDict):
    """One frame. file: the mapped file that its code is in. library: that file's short name.

    function, source, line: where names are known; else "" and 0. address: in the file, hexadecimal.
    inlined: whether the compiler put it into the next one. why: it has no name.
    """

    file: str
    function: str
    source: str
    line: int
    address: str
    inlined: bool
    why: str
    library: str


class StackAnswer(TypedDict):
    """A call's stack. own: the frame that the call is put down to, -1 for none.

    program: whether that is the program's own; otherwise all are of libraries. frames: innermost
    first.
    """

    own: int
    program: bool
    frames: list[FrameAnswer]


class DeedAnswer(TypedDict):
    """What caused something.

    line: of the log, 0 for what was there before it. tid: of the thread, 0 where not known. time:
    seconds, as the log counts them. name: the call's, or "exec", "start", "fork", "no call". call:
    as strace prints it, with its result. site: the place of the program, or the call's form. stack:
    a place in the answer's `stacks`, null where none was recorded.
    """

    line: int
    tid: int
    time: float
    name: str
    call: str
    site: str
    stack: int | None


class BlamedVmaAnswer(TypedDict):
    """One VMA. start, end: bytes. flags: of smaps' VmFlags.

    how: "mapped", "split" (off another) or "initial". born: who made it a VMA of its own. low,
    high: who put its start and its end where they are. changed: who changed its flags, name or
    policy last. boundary: who made the boundary to the VMA that ends where this one starts.
    """

    start: int
    end: int
    perms: str
    flags: tuple[str, ...]
    name: str
    how: str
    born: DeedAnswer
    low: DeedAnswer
    high: DeedAnswer
    changed: DeedAnswer | None
    boundary: DeedAnswer | None


class ShareAnswer(TypedDict):
    """What one cause answers for.

    vmas: how many it made. boundaries: between VMAs that touch. size: bytes of its VMAs. first,
    last: lines of the log of its first and last call among them. threads: how many made them; 0: no
    call did. example: the first of their deeds.
    """

    cause: str
    vmas: int
    boundaries: int
    size: int
    first: int
    last: int
    threads: int
    example: DeedAnswer


class LifeEventAnswer(TypedDict):
    """One event of a VMA's life. what: "mapped", "split", "grew", ... start, end: after
    it (bytes).
    """

    what: str
    start: int
    end: int
    deed: DeedAnswer


@final
class StackTable:
    """The stacks of one answer."""

    def __init__(self) -> None:
        self._known: dict[Stack, int] = {}

    def deed(self, deed: Deed) -> DeedAnswer:
        """Return a deed."""
        stack = deed.stack
        number = self._known.setdefault(stack, len(self._known)) if stack.frames else None
        return {
            "line": deed.line,
            "tid": deed.tid,
            "time": deed.time,
            "name": deed.name,
            "call": deed.call,
            "site": deed.site,
            "stack": number,
        }

    def vma(self, vma: BlamedVma) -> BlamedVmaAnswer:
        """Return a VMA with its deeds."""
        return {
            "start": vma.start,
            "end": vma.end,
            "perms": vma.perms,
            "flags": vma.flags,
            "name": vma.name,
            "how": vma.how,
            "born": self.deed(vma.born),
            "low": self.deed(vma.low),
            "high": self.deed(vma.high),
            "changed": None if vma.changed is None else self.deed(vma.changed),
            "boundary": None if vma.boundary is None else self.deed(vma.boundary),
        }

    def share(self, share: Share) -> ShareAnswer:
        """Return what one cause answers for."""
        return {
            "cause": share.cause,
            "vmas": share.vmas,
            "boundaries": share.boundaries,
            "size": share.size,
            "first": share.first,
            "last": share.last,
            "threads": share.threads,
            "example": self.deed(share.example),
        }

    def event(self, event: LifeEvent) -> LifeEventAnswer:
        """Return an event of a VMA's life."""
        deed = self.deed(event.deed)
        return {"what": event.what, "start": event.start, "end": event.end, "deed": deed}

    def stacks(self) -> list[StackAnswer]:
        """Return the stacks so far: the first one has number 0."""
        return [
            {
                "own": stack.own,
                "program": stack.program,
                "frames": [
                    {
                        "file": frame.file,
                        "function": frame.function,
                        "source": frame.source,
                        "line": frame.line,
                        "address": frame.address,
                        "inlined": frame.inlined,
                        "why": frame.why,
                        "library": frame.library,
                    }
                    for frame in stack.frames
                ],
            }
            for stack in self._known
        ]
