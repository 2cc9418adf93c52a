# SPDX-License-Identifier: GPL-2.0-or-later
"""The bench in a tree's program: lays out VMAs, carries out one operation at a time, reads back."""

import re
from dataclasses import astuple, dataclass
from typing import Final, final

from vmalab.calls.errors import VmalabError
from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.linux.include.uapi import errno
from vmalab.targets.real.executor import Executor
from vmalab.targets.real.settings import MIB, Settings

_NAMES: Final = {
    value: name for name, value in vars(errno).items() if name[0] == "E" and isinstance(value, int)
}


class BenchDied(VmalabError):
    """The tree's code did not survive a command; the text says how."""


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
class TreeBench:
    """One bench, in a worker of its own. Errors of all methods: BenchDied, TargetError."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        # Lines that wait to be sent with the next question.
        self._waiting: list[str] = []
        # What owners were told during the last operation.
        self.log: list[str] = []

    def begin(self, settings: Settings) -> None:
        """Start the worker with an empty address space."""
        started = self._executor.start(0, 1000, 0, 256 * MIB, settings.limits())
        if isinstance(started, str):
            raise BenchDied(started)
        self._waiting = ["begin"]

    def close(self) -> None:
        """End the worker, if it lives."""
        self._executor.end()

    def arrange(self, name: str, value: str) -> None:
        """Arrange a setting."""
        self._waiting.append(f"set {name} {value}")

    def limit(self, resource: int, size: int) -> None:
        """Set a limit, in bytes."""
        self._waiting.append(f"limit {resource:x} {size:x}")

    def vma(self, row: CommandRow) -> None:
        """Lay out a VMA."""
        self._waiting.append(f"vma {row.text()}")

    def fail(self, cache: str, nth: int) -> None:
        """Let an allocation of the next operation fail."""
        self._waiting.append(f"fail {cache} {nth:x}")

    def adopt(self, page: int, chain: str, file: str) -> None:
        """Let names that stand for nothing yet name what was made at a page."""
        self._waiting.append(f"adopt {page:x} {chain} {file}")

    def words(self) -> set[str]:
        """Return the VmFlags words of this tree, after everything else was arranged.

        Errors: WrongCommand, when something cannot be arranged.
        """
        lines = self._ask("words")
        if "none-such" in lines[:-1]:
            raise WrongCommand("this tree does not have what the case sets")
        return set(lines[-1].split(","))

    def descriptor(self, file: str) -> int:
        """Open a file of the case. Returns: the descriptor."""
        return int(self._ask(f"descriptor {file}")[-1].split(" ")[1])

    def mapping(self, row: CommandRow) -> None:
        """Say which kind the next system call maps."""
        words = (row.file, row.name, row.uffd, row.ops, row.flags)
        self._waiting.append("mapping " + " ".join(words))

    def call(self, name: str, *args: int) -> list[str]:
        """Return the words of a system call."""
        return ["system", f"{NUMBER_OF_SYSCALL[name]:x}", *(f"{arg:x}" for arg in args)]

    def operation(self, words: list[str]) -> str:
        """Carry out an operation. Returns: its answer, as a case writes it.

        Errors: WrongCommand, this tree does not have it.
        """
        lines = self._ask(" ".join(words))
        self.log = [line[4:] for line in lines if line.startswith("log ")]
        answers = [line for line in lines if not line.startswith("log ")]
        if not answers or answers[0] == "none-such":
            raise WrongCommand(f"{words[0]} is local to a file of this tree")
        kind, *rest = answers[0].split(" ")
        if kind == "p":
            return f"{rest[0]}-{rest[1]}"
        if kind != "r":
            return "none"
        number = int(rest[0])
        if number > 0:
            return f"{number >> 12:x}"
        return "0" if number == 0 else f"-{_NAMES.get(-number, str(-number))}"

    def asked(self) -> int:
        """Return how many allocations there were of the cache that was to fail; none fails now."""
        lines = self._ask("asked")
        return int(lines[0].split(" ")[1])

    def rows(self) -> list[CommandRow]:
        """Return the layout."""
        return [parse_row(line[4:]) for line in self._ask("vmas") if line.startswith("vma ")]

    def end(self) -> dict[str, int]:
        """Unmap everything. Returns: what is left, by slab cache."""
        found = re.findall(r"^cache (\S+) (-?\d+)$", "\n".join(self._ask("end")), re.M)
        return {name: int(count) for name, count in found}

    def _ask(self, line: str) -> list[str]:
        """Send what waits, and one line more: the lines answered."""
        text = "\n".join([*self._waiting, line])
        self._waiting.clear()
        answer, died = self._executor.command(text)
        if died:
            raise BenchDied(died)
        return answer.splitlines()
