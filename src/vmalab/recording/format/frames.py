# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads and writes frames.jsonl: what a recorder could say of the places that stacks lead to.

A line is one frame of the log, exactly as the log has it, and the functions that it stands for:
several where the compiler put one into another.
"""

import json
from typing import Final, NamedTuple

from vmalab.calls.errors import ReadError
from vmalab.recording.json_text import json_value
from vmalab.recording.readers.line_source import MAX_LINE, LineSource

# Frames that a recording may have, and characters that all of them may take.
MAX_KNOWN: Final = 1 << 17
MAX_TEXT: Final = 1 << 26
# Functions that may stand in one place, one inside the other.
MAX_INLINED: Final = 64
# Characters of a function's name, or of a path: templates can take any number of them.
MAX_NAME: Final = 2048


class Named(NamedTuple):
    """A function in a place of a program. source, line: its line in the source; "", 0: unknown."""

    function: str
    source: str = ""
    line: int = 0


class FrameNames(NamedTuple):
    """What is known of one frame. names: innermost first. why: what is missing is missing."""

    names: tuple[Named, ...] = ()
    why: str = ""


# By the text of the frame in the log.
Frames = dict[str, FrameNames]


def frame_line(frame: str, found: FrameNames) -> bytes:
    """Return the line of a file for one frame."""
    entry: dict[str, object] = {"frame": frame}
    if found.names:
        entry["names"] = [
            {"function": name.function[:MAX_NAME]}
            | ({"source": name.source[:MAX_NAME]} if name.source else {})
            | ({"line": name.line} if name.line else {})
            for name in found.names[:MAX_INLINED]
        ]
    if found.why:
        entry["why"] = found.why[:MAX_NAME]
    return json.dumps(entry).encode() + b"\n"


def read_frames(path: str, *, follow: bool = False) -> Frames:
    """Return all frames of a file. Errors: ReadError."""
    source = LineSource(path, follow=follow)
    frames: Frames = {}
    at = size = 0
    for batch in source:
        for line in batch:
            at += 1
            size += len(line)
            if len(frames) >= MAX_KNOWN or size > MAX_TEXT:
                raise ReadError(path, at, f"more than {MAX_KNOWN} frames, or {MAX_TEXT} characters")
            try:
                frame, names = parse_frame(line)
            except (ValueError, RecursionError) as error:
                raise ReadError(path, at, f"not a frame: {error}") from None
            frames[frame] = names
    if source.broken is not None:
        raise ReadError(path, at + 1, source.broken)
    # A last line without its newline was being written when the recorder was killed.
    return frames


def parse_frame(line: str) -> tuple[str, FrameNames]:
    """Return the frame that a line is about, and its names. Errors: ValueError."""
    if len(line) > MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE} characters")
    try:
        entry = json_value(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg}") from None
    if not isinstance(entry, dict):
        raise ValueError("no JSON object")
    names = entry.get("names", [])
    if not isinstance(names, list) or len(names) > MAX_INLINED:
        raise ValueError(f"names: a list of at most {MAX_INLINED} expected")
    found = FrameNames(tuple(_named(name) for name in names), _text(entry, "why"))
    return _text(entry, "frame"), found


def _named(entry: object) -> Named:
    if not isinstance(entry, dict):
        raise ValueError("names: a list of objects expected")
    line = entry.get("line", 0)
    if not isinstance(line, int) or not 0 <= line < 1 << 32:
        raise ValueError("line: a number of at most 32 bits expected")
    return Named(_text(entry, "function"), _text(entry, "source"), line)


def _text(entry: dict[str, object], key: str) -> str:
    text = entry.get(key, "")
    if not isinstance(text, str):
        raise ValueError(f"{key}: a string expected")
    return text if key == "frame" else text[:MAX_NAME]
