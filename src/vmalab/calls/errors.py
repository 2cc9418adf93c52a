# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be wrong with the input: one root class, each error says where and whose fault it is."""

from mypy_extensions import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class VmalabError(Exception):
    """The user's input or command is wrong; the text is for the user, without a traceback."""


@mypyc_attr(allow_interpreted_subclasses=True)
class UsageError(VmalabError):
    """The user asked for something that does not exist."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ReadError(VmalabError):
    """A file cannot be read, or says something that cannot be: the recording's fault.

    path: the file as the user named it; line: 1-based, 0 where no single line is to blame;
    why: one sentence. `str()` gives `path:line: why`.
    """

    def __init__(self, path: str, line: int, why: str) -> None:
        super().__init__(path, line, why)
        self.path = path
        self.line = line
        self.why = why

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.why}"
