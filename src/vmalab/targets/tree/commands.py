# SPDX-License-Identifier: GPL-2.0-or-later
"""The language of the bench in a tree's program: it lays out VMAs, carries out calls, reads back.

All commands of a case go there at once, with marks that come back between the answers.
"""

import re
from dataclasses import astuple, dataclass
from typing import Final, final

from vmalab.calls.errors import VmalabError
from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.linux.include.uapi import errno

_NAMES: Final = {
    value: name for name, value in vars(errno).items() if name[0] == "E" and isinstance(value, int)
}
_MARK: Final = "mark"
# A worker has these open when it starts.
_STANDARD: Final = 3


class WrongCommand(VmalabError):
    """A command cannot be carried out by this tree; the text says why."""


@final
@dataclass(frozen=True, slots=True)
class CommandRow:
    """A VMA: pages, page offset, and the names of its objects, `-` for none.

    ops: "-" without operations, else a digit for its hooks. flags: VmFlags words, by commas.
    """

    start: int
    end: int
    pgoff: int
    chain: str
    file: str
    name: str
    uffd: str
    ops: str
    flags: str

    def text(self) -> str:
        """Return the words of a command, or of an answer."""
        words = (f"{word:x}" if isinstance(word, int) else word for word in astuple(self))
        return " ".join(words)


def parse_row(text: str) -> CommandRow:
    """Return the VMA of one answered line."""
    start, end, pgoff, *rest = text.split(" ")
    return CommandRow(int(start, 16), int(end, 16), int(pgoff, 16), *rest)


@final
class Script:
    """The commands of one bench, in their order."""

    def __init__(self) -> None:
        self._lines = ["begin"]
        self._opened = 0

    def text(self) -> str:
        """Return all commands."""
        return "\n".join(self._lines)

    def mark(self) -> None:
        """Have the answers up to here be a part by themselves."""
        self._lines.append(_MARK)

    def arrange(self, name: str, value: str) -> None:
        """Arrange a setting."""
        self._lines.append(f"set {name} {value}")

    def limit(self, resource: int, size: int) -> None:
        """Set a limit, in bytes."""
        self._lines.append(f"limit {resource:x} {size:x}")

    def vma(self, row: CommandRow) -> None:
        """Lay out a VMA."""
        self._lines.append(f"vma {row.text()}")

    def words(self) -> None:
        """Ask for the VmFlags words of the tree."""
        self._lines.append("words")

    def rows(self) -> None:
        """Ask for the layout."""
        self._lines.append("vmas")

    def fail(self, cache: str, nth: int) -> None:
        """Let an allocation of the next operation fail."""
        self._lines.append(f"fail {cache} {nth:x}")

    def asked(self) -> None:
        """Ask how many allocations there were of that cache; none fails from here on."""
        self._lines.append("asked")

    def adopt(self, page: int, chain: str, file: str) -> None:
        """Let names that stand for nothing yet name what was made at a page."""
        self._lines.append(f"adopt {page:x} {chain} {file}")

    def descriptor(self, file: str) -> int:
        """Open a file of the case. Returns: the descriptor that it gets."""
        self._lines.append(f"descriptor {file}")
        self._opened += 1
        return _STANDARD + self._opened - 1

    def mapping(self, row: CommandRow) -> None:
        """Say which kind the next system call maps."""
        words = (row.file, row.name, row.uffd, row.ops, row.flags)
        self._lines.append("mapping " + " ".join(words))

    def operation(self, words: list[str]) -> None:
        """Carry out an operation."""
        self._lines.append(" ".join(words))

    def end(self) -> None:
        """Unmap everything, and ask what is left."""
        self._lines.append("end")


def system_call(name: str, *args: int) -> list[str]:
    """Return the words of a system call."""
    return ["system", f"{NUMBER_OF_SYSCALL[name]:x}", *(f"{arg:x}" for arg in args)]


@final
class Answers:
    """What the bench has answered up to a mark. Errors of the methods: WrongCommand."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()

    def words(self) -> set[str]:
        """Return the VmFlags words of the tree, once everything else was arranged."""
        if "none-such" in self._lines[:-1]:
            raise WrongCommand("this tree does not have what the case sets")
        return set(self._lines[-1].split(","))

    def log(self) -> list[str]:
        """Return what owners were told."""
        return [line[4:] for line in self._lines if line.startswith("log ")]

    def operation(self, name: str) -> str:
        """Return the answer of an operation, as a case writes it."""
        kind, *rest = next(
            (
                line.split(" ")
                for line in self._lines
                if line.startswith(("r ", "p ")) or line in ("none", "none-such")
            ),
            ["none-such"],
        )
        if kind == "none-such":
            raise WrongCommand(f"{name} is local to a file of this tree")
        if kind == "p":
            return f"{rest[0]}-{rest[1]}"
        if kind != "r":
            return "none"
        number = int(rest[0])
        if number > 0:
            return f"{number >> 12:x}"
        return "0" if number == 0 else f"-{_NAMES.get(-number, str(-number))}"

    def asked(self) -> int:
        """Return how many allocations there were of the cache that was to fail."""
        return next((int(line[6:]) for line in self._lines if line.startswith("asked ")), 0)

    def rows(self) -> list[CommandRow]:
        """Return the layout."""
        return [parse_row(line[4:]) for line in self._lines if line.startswith("vma ")]

    def left(self) -> dict[str, int]:
        """Return what is left at the end, by slab cache."""
        found = re.findall(r"^cache (\S+) (-?\d+)$", "\n".join(self._lines), re.M)
        return {name: int(count) for name, count in found}


def parts(text: str) -> list[Answers]:
    """Return the answers between marks; what no mark follows is left out."""
    return [Answers(part) for part in text.split(_MARK + "\n")[:-1]]
