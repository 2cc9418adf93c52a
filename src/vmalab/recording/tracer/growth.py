# SPDX-License-Identifier: GPL-2.0-or-later
"""Sees which mappings of a held process have grown down by faults since its last call.

The stack is one, what MAP_GROWSDOWN made are others. Only faults let them grow between calls, so
what starts lower than after the last call has grown.
"""

from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.ranges import Range, page_range
from vmalab.linux.include.uapi.mman import MAP_GROWSDOWN
from vmalab.recording.tracer.probe import Probe

# Mappings that are watched at a time, at most: each is asked about at each call.
MAX_WATCHED: Final = 64


def growing_ranges(lines: list[bytes]) -> list[Range]:
    """Return where mappings grow down, of lines of maps with their VmFlags behind a bar."""
    found = []
    for line in lines:
        place, _, flags = line.partition(b" | ")
        if b"gd" in flags.split():
            start, _, end = place.split(b" ", 1)[0].partition(b"-")
            found.append((int(start, 16), int(end, 16)))
    return found


@final
class StackGrowth:
    """The mappings of an address space that grow down, as they were after the last call."""

    def __init__(self, probe: Probe, ranges: list[Range]) -> None:
        self._probe = probe
        self._watched = ranges[:MAX_WATCHED]

    def grown(self) -> list[Range]:
        """Return the mappings that have grown since, each as it is now."""
        found = []
        for number, (start, end) in enumerate(self._watched):
            span = self._probe.vma_at(start)
            if span is not None and span[0] < start:
                found.append((span[0], span[1]))
                self._watched[number] = (span[0], end)
        return found

    def settle(self, call: Call, result: int) -> None:
        """A call has returned: what it made grow, moved, cut or took away is known from here."""
        spans = self._watched
        if call.name == "mmap" and call.args[3] & MAP_GROWSDOWN and result >= 0:
            spans = [*spans, page_range(result, call.args[1])]
        if (
            call.name == "mremap"
            and result >= 0
            and any(start <= call.args[0] < end for start, end in spans)
        ):
            spans = [*spans, page_range(result, call.args[2])]
        pieces: set[Range] = set()
        for start, end in spans:
            at = start
            while (span := self._probe.vma_at(at)) is not None and span[0] < end:
                pieces.add((span[0], span[1]))
                at = span[1]
        self._watched = sorted(pieces)[-MAX_WATCHED:]
