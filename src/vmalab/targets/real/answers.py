# SPDX-License-Identifier: GPL-2.0-or-later
"""What an executor answers: how a worker begins, the results of a batch, maps."""

from dataclasses import dataclass, field

from vmalab.calls.snapshot import Snapshot
from vmalab.recording.readers.maps import parse_smaps


@dataclass(frozen=True, slots=True)
class Map:
    """One answer to a request for the map: the raw text, and what it says once it is asked.

    text: smaps lines, then the lines of status. error: errno when it could not be read, or 0.
    """

    text: bytes
    error: int = 0

    def lines(self) -> Snapshot:
        """Return the VMAs."""
        return parse_smaps(self.smaps())

    def smaps(self) -> str:
        """Return the part that says what the VMAs are."""
        return self.text[: self.end_of_lines()].decode("utf-8", "surrogateescape")

    def counters(self) -> dict[str, int]:
        """Return the Vm... fields of status, in kB."""
        found: dict[str, int] = {}
        for line in self.text[self.end_of_lines() :].split(b"\n"):
            words = line.split()
            if len(words) == 3 and words[0].startswith(b"Vm") and words[1].isdigit():
                found[words[0][:-1].decode()] = int(words[1])
        return found

    def end_of_lines(self) -> int:
        """Return where the VMAs end and the counters begin."""
        if self.text.startswith(b"VmPeak:"):
            return 0
        found = self.text.find(b"\nVmPeak:")
        return len(self.text) if found < 0 else found + 1


@dataclass(slots=True)
class Answer:
    """What came back for one batch.

    results: of the calls, in order; fewer when the worker died. maps: of the requests for the map.
    died: "" or how the worker ended. done: calls carried out.
    """

    results: list[int] = field(default_factory=list)
    maps: list[Map] = field(default_factory=list)
    died: str = ""
    done: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """A fresh worker: its first map, texts of /proc/self, and where its heap begins."""

    first: Map
    stat: str
    status: str
    limits: str
    start_brk: int
