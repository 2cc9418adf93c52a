# SPDX-License-Identifier: GPL-2.0-or-later
"""What the recorder itself notes between the events: how processes were when it looked at them.

A gap is a time in which events were lost, or not recorded yet. It is over for a process with the
first look at it, and for all when all have been looked at; what is not there then has ended.
"""

import mmap
from dataclasses import dataclass
from typing import Final

from vmalab.recording.events import rawfile

GAP: Final = "gap"
LOOK: Final = "look"
OVER: Final = "over"
LAST: Final = "last"
# All rings have been emptied: what happened before its time is in the file.
ROUND: Final = "round"

_TOP: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Note:
    """One note. when: nanoseconds. pid, threads, facts, smaps: of a look. lost: events of a gap."""

    kind: str
    when: int
    pid: int
    threads: tuple[int, ...]
    facts: dict[str, object]
    smaps: bytes
    lost: int


def note_facts(
    kind: str,
    when: int,
    *,
    pid: int = 0,
    threads: list[int] | None = None,
    facts: dict[str, object] | None = None,
    lost: int = 0,
) -> dict[str, object]:
    """Return a note as it is written down."""
    return {
        "note": kind,
        "when": when,
        "pid": pid,
        "threads": threads or [],
        "facts": facts or {},
        "lost": lost,
    }


def read_notes(view: "mmap.mmap | bytes") -> list[Note]:
    """Return the notes of a file, in order; what is none is left out."""
    found = [_note(facts, smaps) for facts, smaps in rawfile.notes(view)]
    return [note for note in found if note is not None]


def _note(facts: dict[str, object], smaps: bytes) -> Note | None:
    def number(key: str) -> int:
        value = facts.get(key)
        return value if isinstance(value, int) and 0 <= value < _TOP else 0

    kind, threads, inner = facts.get("note"), facts.get("threads"), facts.get("facts")
    if not isinstance(kind, str) or not isinstance(threads, list) or not isinstance(inner, dict):
        return None
    tids = tuple(tid for tid in threads if isinstance(tid, int))
    return Note(kind, number("when"), number("pid"), tids, inner, smaps, number("lost"))
