# SPDX-License-Identifier: GPL-2.0-or-later
"""Findings with deeds in them as plain values for JSON: each stack once, deeds have its number."""

from dataclasses import asdict, fields, is_dataclass
from typing import final

from vmalab.explain.blame.callsite import Stack


@final
class StackTable:
    """The stacks of one JSON object."""

    def __init__(self) -> None:
        self._known: dict[Stack, int] = {}

    def plain(self, value: object) -> object:
        """Return a value with objects instead of dataclasses, and numbers instead of stacks."""
        if isinstance(value, Stack):
            if not value.frames:
                return None
            return self._known.setdefault(value, len(self._known))
        if is_dataclass(value):
            return {part.name: self.plain(getattr(value, part.name)) for part in fields(value)}
        if isinstance(value, list | tuple):
            return [self.plain(part) for part in value]
        if isinstance(value, dict):
            return {key: self.plain(part) for key, part in value.items()}
        return value

    def stacks(self) -> list[object]:
        """Return the stacks so far: the first one has number 0."""
        return [
            {
                "own": stack.own,
                "program": stack.program,
                "frames": [asdict(frame) | {"library": frame.library} for frame in stack.frames],
            }
            for stack in self._known
        ]
