# SPDX-License-Identifier: GPL-2.0-or-later
"""Unified diffs: reads one with its head, and applies it to text, exactly or not at all.

A diff begins with `Key: value` lines, folded like the lines of a mail.  A hunk applies where its
old lines are: at the line that it names, else at the only other place that has them.
"""

import re
from dataclasses import dataclass
from typing import Final

_FIELD: Final = re.compile(r"([A-Z][A-Za-z-]*): (\S.*)")
_RANGES: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")


class PatchError(Exception):
    """A diff cannot be read, or does not apply; the text names its file and line."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """One place of a file. start: where its old lines were, from 1; line: where the diff has it."""

    line: int
    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FilePatch:
    """What a diff does to one file."""

    path: str
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True, slots=True)
class Patch:
    """A diff. name: for messages; head: its fields; files: in the order of the diff."""

    name: str
    head: dict[str, str]
    files: tuple[FilePatch, ...]


def parse(text: str, name: str) -> Patch:
    """Read a diff. Errors: PatchError."""
    lines = text.splitlines()
    head, at = _head(lines, name)
    files = []
    while at < len(lines):
        path = _path(lines, at, name)
        first = at + 1
        hunks = []
        at += 2
        while at < len(lines) and not lines[at].startswith("--- "):
            hunk, at = _hunk(lines, at, name)
            hunks.append(hunk)
        if not hunks:
            raise PatchError(f"{name}:{first}: no hunk for {path} follows")
        files.append(FilePatch(path, tuple(hunks)))
    if not files:
        raise PatchError(f"{name}:{len(lines)}: the diff changes no file")
    return Patch(name, head, tuple(files))


def _head(lines: list[str], name: str) -> tuple[dict[str, str], int]:
    """Read the fields before the first file, and find where that begins."""
    head: dict[str, str] = {}
    key = ""
    for at, line in enumerate(lines):
        if line.startswith("--- "):
            return head, at
        field = _FIELD.fullmatch(line)
        if field and field[1] not in head:
            key = field[1]
            head[key] = field[2]
        elif key and line.startswith(" "):
            head[key] += " " + line.strip()
        else:
            raise PatchError(f"{name}:{at + 1}: neither a new `Key: value` nor a diff of a file")
    return head, len(lines)


def _path(lines: list[str], at: int, name: str) -> str:
    """Read the two lines that name a file, the same before and after."""
    path = lines[at][4:]
    if lines[at + 1 : at + 2] != [f"+++ {path}"]:
        raise PatchError(f"{name}:{at + 2}: `+++ {path}` is missing")
    return path


def _hunk(lines: list[str], at: int, name: str) -> tuple[Hunk, int]:
    """Read one hunk, and find the line after it."""
    ranges = _RANGES.match(lines[at])
    if ranges is None:
        raise PatchError(f"{name}:{at + 1}: a hunk (`@@ -LINE,COUNT +LINE,COUNT @@`) is missing")
    wanted = int(ranges[2] or 1), int(ranges[3] or 1)
    old: list[str] = []
    new: list[str] = []
    end = at + 1
    while end < len(lines) and (len(old), len(new)) != wanted:
        # An empty line is an empty line of context, whose blank an editor has taken off.
        mark, line = lines[end][:1] or " ", lines[end][1:]
        if mark not in " -+":
            break
        if mark != "+":
            old.append(line)
        if mark != "-":
            new.append(line)
        end += 1
    if (len(old), len(new)) != wanted:
        promised = f"the hunk promises {wanted[0]} old and {wanted[1]} new lines"
        raise PatchError(f"{name}:{at + 1}: {promised}, it has {len(old)} and {len(new)}")
    if old == new:
        raise PatchError(f"{name}:{at + 1}: the hunk changes nothing")
    return Hunk(at + 1, int(ranges[1]), tuple(old), tuple(new)), end


def apply(patch: Patch, path: str, text: str) -> str:
    """Make the changes of a diff to the text of one of its files. Errors: PatchError."""
    lines = text.split("\n")
    hunks = [hunk for file in patch.files if file.path == path for hunk in file.hunks]
    moved = 0
    first = 0
    for number, hunk in enumerate(hunks, 1):
        size = len(hunk.old)
        places = [
            at
            for at in range(first, len(lines) - size + 1)
            if tuple(lines[at : at + size]) == hunk.old
        ]
        named = hunk.start - 1 + moved
        if named not in places and len(places) != 1:
            why = f"fits {len(places)} places of" if places else "does not apply to"
            raise PatchError(f"{patch.name}:{hunk.line}: hunk {number} {why} {path}")
        at = named if named in places else places[0]
        lines[at : at + size] = hunk.new
        first = at + len(hunk.new)
        moved += len(hunk.new) - size
    return "\n".join(lines)
