# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user means by what is typed into the search of `explore`, and where the next one is."""

import re
from dataclasses import dataclass
from typing import Final

from vmalab.explain.travel.index import MomentIndex

HELP: Final = "an address (7f00… or 0x…), a call (mprotect), tid:N, line:N, or part of a function"
_ADDRESS: Final = re.compile(r"(?:0x([0-9a-f]{1,16})|([0-9a-f]{8,16}))\Z")
_NUMBERED: Final = re.compile(r"(tid|line):(\d{1,10})\Z")


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: kind is "address", "tid", "line", or "text" (calls, then functions)."""

    kind: str
    text: str
    number: int = 0

    def next(self, known: MomentIndex, at: int, *, backwards: bool = False) -> int | None:
        """Return the next moment after one where it is, None: nowhere."""
        if self.kind == "address":
            return known.find_address(self.number, at, backwards=backwards)
        if self.kind == "line":
            return known.of_line(self.number)
        if self.kind == "tid":
            return known.find_value("tid", frozenset((self.number,)), at, backwards=backwards)
        names = _places(known.names, self.text)
        if names:
            return known.find_value("name", names, at, backwards=backwards)
        stacks = frozenset(
            place
            for place, frames in enumerate(known.stacks)
            if any(self.text in frame for frame in frames)
        )
        return known.find_value("stack", stacks, at, backwards=backwards) if stacks else None


def search_of(text: str) -> Search | None:
    """Return what is meant by a text, None: nothing."""
    text = text.strip()
    numbered = _NUMBERED.match(text)
    if numbered is not None:
        return Search(numbered[1], text, int(numbered[2]))
    address = _ADDRESS.match(text.lower())
    if address is not None:
        return Search("address", text, int(address[1] or address[2], 16))
    return Search("text", text) if text else None


def _places(names: list[str], text: str) -> frozenset[int]:
    """Return the places of a name; of those that it begins where there is no such name."""
    exact = frozenset(place for place, name in enumerate(names) if name == text)
    return exact or frozenset(
        place for place, name in enumerate(names) if name and name.startswith(text)
    )
