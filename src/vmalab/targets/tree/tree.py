# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel tree as a target: its program as a child process, with the protocol of real kernels."""

import re
from types import TracebackType
from typing import Final, final

from vmalab.targets.real.child import Child
from vmalab.targets.real.executor import Executor
from vmalab.targets.real.real import RealTarget
from vmalab.targets.tree.harmless import suspects
from vmalab.targets.tree.program import TreeProgram, build, last_program
from vmalab.targets.tree.scope import admits
from vmalab.targets.tree.source import KernelTree, open_tree
from vmalab.targets.tree.symbols import Symbols

PREFIX: Final = "tree:"
# The same with accesses to memory checked.
SANITIZED: Final = "tree+sanitize:"
# Seconds that an answer may take; an endless loop ends by itself, by its processor time.
PATIENCE: Final = 120.0
STUB_COUNTS: Final = "/vmalab/stubs"


@final
class TreeTarget:
    """A context in which a tree's own code carries out calls.

    name: the tree's path. release: its version, once it is entered. last: not the tree as it is now
    but the program that was built before that. sanitize: with accesses to memory checked.
    Errors on entering: TargetError when the tree cannot be built or the program does not start.
    """

    def __init__(self, path: str, *, last: bool = False, sanitize: bool = False) -> None:
        self.name = path
        self._last = last
        self._sanitize = sanitize
        self.release = ""
        self._tree: KernelTree | None = None
        self._child: Child | None = None
        self.program: TreeProgram | None = None
        self.executor: Executor | None = None

    def open(self) -> KernelTree:
        """Look at the tree, and know its version. Errors: TargetError."""
        if self._tree is None:
            self._tree = open_tree(self.name)
            self.release = self._tree.release
        return self._tree

    def build(self) -> TreeProgram:
        """Build the program, unless that was done before. Errors: TargetError."""
        if self.program is None:
            make = last_program if self._last else build
            self.program = make(self.open(), sanitize=self._sanitize)
        return self.program

    def __enter__(self) -> RealTarget:
        return self.start(self.build())

    def start(self, program: TreeProgram) -> RealTarget:
        """Start a built program. Errors: TargetError."""
        self._child = Child(program.path)
        try:
            self.executor = self._child.executor(PATIENCE)
            self.executor.read_words = Symbols(program.path).translate
            name = (
                (SANITIZED if self._sanitize else PREFIX)
                + self.name
                + (" (the build before)" if self._last else "")
            )
            return RealTarget(name, self.executor, admits=admits, remarks=self.remarks)
        except BaseException:
            self.close()
            raise

    def remarks(self) -> tuple[str, ...]:
        """Return a note when stubs were called that may have made an answer wrong."""
        if self.executor is None:
            return ()
        found = suspects(called_stubs(self.executor))
        if not found:
            return ()
        names = ", ".join(f"{name} ({count})" for name, count in sorted(found.items()))
        return (f"generated stubs have answered 0: {names}",)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the program with its workers."""
        child, self._child = self._child, None
        if child is not None:
            child.close()


def called_stubs(executor: Executor) -> dict[str, int]:
    """Return how often each generated stub was called so far, by name."""
    text = executor.read_file(STUB_COUNTS) or ""
    return {name: int(count) for name, count in re.findall(r"^(\w+) (\d+)$", text, re.M)}
