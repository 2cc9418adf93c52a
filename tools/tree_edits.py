# SPDX-License-Identifier: GPL-2.0-or-later
"""Edits of a kernel tree's C that bring historic bugs back: read from a list, made in a copy."""

import re
from dataclasses import dataclass
from pathlib import Path


class WrongEdit(Exception):
    """Why an edit cannot be read or made; the text is for the user."""


@dataclass(frozen=True, slots=True)
class Edit:
    """In one function of one file, some words become others."""

    bug: str
    file: str
    function: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """Return a file's text with the edit made. Errors: WrongEdit."""
        start, end = function_range(text, self.function)
        body = text[start:end]
        if body.count(self.old) != 1:
            raise WrongEdit(
                f"{self.bug}: {self.file}: {self.function}: {self.old!r} stands there "
                f"{body.count(self.old)} times, not once"
            )
        return text[:start] + body.replace(self.old, self.new) + text[end:]


def function_range(text: str, name: str) -> tuple[int, int]:
    """Return where a function's definition begins and ends. Errors: WrongEdit."""
    for found in re.finditer(rf"^[A-Za-z_].*\b{re.escape(name)}\(", text, re.M):
        opening, semicolon = text.find("\n{\n", found.start()), text.find(";\n", found.start())
        if opening >= 0 and (semicolon < 0 or opening < semicolon):
            end = text.find("\n}\n", opening)
            if end >= 0:
                return found.start(), end + 3
    raise WrongEdit(f"no function {name} is defined")


def read_edits(path: Path) -> list[Edit]:
    """Return the edits of a list. Errors: WrongEdit with the line."""
    edits = []
    fields: dict[str, str] = {}
    lines = [*path.read_text("utf-8").splitlines(), ""]
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            continue
        if line:
            word, _, rest = line.partition(" ")
            if word not in ("bug", "file", "from", "to") or not rest:
                raise WrongEdit(f"{path}:{number}: bug, file, from or to and a text, not {line!r}")
            fields[word] = rest
        elif fields:
            if len(fields) != 4 or len(fields["file"].split()) != 2:
                raise WrongEdit(f"{path}:{number}: a bug has lines bug, file, from and to")
            file, function = fields["file"].split()
            edits.append(Edit(fields["bug"], file, function, fields["from"], fields["to"]))
            fields = {}
    return edits
