# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts by stack what the calls of each image did: VMAs they ever made, and how many failed."""

from typing import Final, final

from vmalab.calls.call import Call
from vmalab.explain.blame.callsite import kind_of

# Stacks of an image that are told apart; what comes later is counted without its stack.
MAX_STACKS: Final = 50_000

# A stack as the log has it, innermost first, and the kind of call.
StackKey = tuple[tuple[str, ...], str]


@final
class StackCount:
    """Calls of one kind with one stack. made: VMAs, ever. example: the first of the calls."""

    __slots__ = ("example", "failed", "made")

    def __init__(self, example: Call) -> None:
        self.example = example
        self.made = 0
        self.failed = 0


def stack_key(call: Call) -> StackKey:
    """Return what a call counts for."""
    return tuple(call.stack or ()), kind_of(call)


@final
class StackTally:
    """The counts by image and stack."""

    def __init__(self) -> None:
        self.images: dict[str, dict[StackKey, StackCount]] = {}

    def begin(self, image: str) -> None:
        """Begin anew for an image."""
        self.images[image] = {}

    def add(self, image: str, call: Call, made: int) -> None:
        """Count a call that made so many VMAs, or failed."""
        failed = call.ret is not None and call.ret < 0
        if not made and not failed:
            return
        counts = self.images.setdefault(image, {})
        key = stack_key(call)
        count = counts.get(key)
        if count is None:
            if len(counts) >= MAX_STACKS:
                key = ((), key[1])
            count = counts.setdefault(key, StackCount(call))
        count.made += made
        count.failed += failed
