# SPDX-License-Identifier: GPL-2.0-or-later
"""What a check finds: the first place where model and kernel part, and how it goes there.

Processes hand these to each other, so they are plain Python where the engine is compiled.
"""

from dataclasses import dataclass
from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.snapshot import VmaLine
from vmalab.targets.real.settings import Settings

# How a difference shows.
RESULT: Final = "result"
MAP: Final = "map"
DIED: Final = "died"
MODEL: Final = "model"


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first place where model and kernel part.

    calls: all calls up to the one at which it shows, which is the last. kind: RESULT, MAP, DIED
    (the worker did not survive the call), MODEL (the engine failed). recorded, predicted: results
    of the last call. what, at: of the maps, the field and the address in bytes. real, model: the
    maps after it, where known. since: the index from which on maps may have differed unseen.
    """

    calls: tuple[Call, ...]
    kind: str
    recorded: int
    predicted: int
    what: str = ""
    at: int = 0
    real: tuple[VmaLine, ...] = ()
    model: tuple[VmaLine, ...] = ()
    since: int = 0

    @property
    def last(self) -> Call:
        """The call at which it shows."""
        return self.calls[-1]

    @property
    def hung(self) -> bool:
        """Whether the worker was ended because a call did not end: each trial takes as long."""
        return self.kind == DIED and self.what.startswith(("hung", "an endless loop"))

    @property
    def signature(self) -> tuple[object, ...]:
        """What differences of one cause have in common, roughly."""
        if self.kind == RESULT:
            return (
                self.kind,
                self.last.name,
                min(self.recorded, 0),
                min(self.predicted, 0),
            )
        if self.kind == MAP:
            # Of what differs only the word: "VmLck", "flags", "range". Any call may come last.
            return (self.kind, self.what.split(" ")[0])
        # Addresses in brackets are those of one build and one run.
        return (self.kind, self.last.name, self.what.partition(" [")[0])


@dataclass(frozen=True, slots=True)
class Transcript:
    """How a list of calls went on the real kernel, for writing it down.

    meta: meta.json. first, before, last: smaps text at the start, before the last call, after it.
    results: of the calls, None where there was none. died: "" or how the worker ended.
    """

    meta: dict[str, object]
    first: str
    before: str
    last: str
    results: tuple[int | None, ...]
    died: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A difference with the stream that it was found in."""

    profile: str
    seed: int
    settings: Settings
    difference: Divergence
