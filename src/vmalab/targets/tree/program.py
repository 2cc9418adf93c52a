# SPDX-License-Identifier: GPL-2.0-or-later
"""Links a tree's objects with ours into the program that serves streams, once for each content."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from vmalab.targets.real.build import cache_folder
from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.tree.objects import (
    KERNEL_SIDE,
    BuildError,
    TreeObjects,
    run_command,
)
from vmalab.targets.tree.probes import PROBES, probe, probed_header
from vmalab.targets.tree.source import KernelTree, check_requirements
from vmalab.targets.tree.stubs import Stubs, assembly, classify, undefined_symbols
from vmalab.targets.tree.unit import HOST_SIDE, compile_unit

# Local functions of the tree that are called once, before anything else.
STARTERS: Final = {
    "mm/userfaultfd.o": ("userfaultfd_init",),
    "fs/userfaultfd.o": ("userfaultfd_init",),
    "mm/ksm.o": ("ksm_init",),
    "mm/mmap.o": ("do_brk_flags",),
    "mm/vma.o": ("vma_merge_existing_range",),
}
_OURS: Final = (
    *("space", "show", "files", "pages", "calls", "bodies"),
    *("words", "bench", "operations", "process"),
)
_HOST: Final = ("serve", "memory", "checks")
# Names of the programs that are kept, and how many.
BUILDS: Final = "builds"
KEPT: Final = 2
# Only for trees that copy address spaces in kernel/fork.c.
_FORK: Final = "fork"


@final
@dataclass(frozen=True, slots=True)
class TreeProgram:
    """A built program. made: the tree's objects that were compiled for it just now."""

    path: Path
    made: tuple[str, ...]
    functions: tuple[str, ...]


def folder_of(tree: KernelTree, *, sanitize: bool = False) -> Path:
    """Return the folder of the cache that belongs to a tree."""
    key = hashlib.sha256(os.fsencode(tree.path)).hexdigest()[:16]
    return cache_folder() / "trees" / f"{tree.release}-{key}{'-sanitized' if sanitize else ''}"


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Let one process at a time build in a folder. Errors: BuildError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BuildError(f"{folder}: {error.strerror}", "") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def build(tree: KernelTree, *, sanitize: bool = False) -> TreeProgram:
    """Return the program of a tree as it is now. Errors: TargetError, BuildError.

    sanitize: its accesses to memory are checked, and what C leaves undefined.
    """
    check_requirements()
    folder = folder_of(tree, sanitize=sanitize)
    with _held(folder):
        objects = TreeObjects(tree, folder, sanitize=sanitize)
        made = objects.update()
        return _Linker(objects, folder).link(made)


def builds_of(folder: Path) -> list[str]:
    """Return the names of the programs that are kept, the present one first."""
    try:
        return (folder / BUILDS).read_text("utf-8").split()
    except OSError:
        return []


def last_program(tree: KernelTree, *, sanitize: bool = False) -> TreeProgram:
    """Return the program before a tree's present one. Errors: TargetError, there is none."""
    folder = folder_of(tree, sanitize=sanitize)
    names = builds_of(folder)[1:]
    program = folder / f"program-{names[0] if names else ''}"
    if not program.is_file():
        raise TargetError(f"{tree.path}: no build before the present one: this is the first")
    return TreeProgram(program, (), ())


def sources_of(tree: KernelTree, *, sanitize: bool = False) -> list[Path]:
    """Return the files that a tree's objects were last made from."""
    return TreeObjects(tree, folder_of(tree, sanitize=sanitize)).sources()


@final
class _Linker:
    """Everything behind the tree's own objects."""

    def __init__(self, objects: TreeObjects, folder: Path) -> None:
        self._objects = objects
        self._folder = folder
        self._ours = folder / "ours"

    def link(self, made: list[str]) -> TreeProgram:
        """Return the program, made anew when something of it has changed."""
        self._ours.mkdir(exist_ok=True)
        units = self._compile_ours()
        linked = [self._with_starters(path) for path in self._objects.paths]
        key = hashlib.sha256()
        host = [self._ours / f"host-{name}.o" for name in _HOST]
        for path in (*units, *linked, *host):
            key.update(path.read_bytes())
        name = key.hexdigest()[:16]
        program = self._folder / f"program-{name}"
        stubs_file = self._folder / f"program-{name}.json"
        if not program.is_file() or not stubs_file.is_file():
            names = undefined_symbols([*linked, *units], self._folder) - _host_symbols(self._ours)
            stubs = self._classified(names - _OF_STUBS)
            self._finish(program, [*linked, *units], assembly(stubs))
            stubs_file.write_text(json.dumps(stubs.functions), "utf-8")
        self._note(name)
        functions = tuple(json.loads(stubs_file.read_text("utf-8")))
        return TreeProgram(program, tuple(made), functions)

    def _classified(self, names: set[str]) -> Stubs:
        """Return which symbols are functions; asked again only of other symbols or headers."""
        headers = self._objects.digest_of_headers("mm/mmap.o")
        key = hashlib.sha256("\n".join((headers, *sorted(names))).encode()).hexdigest()
        known = self._ours / "stubs.json"
        try:
            found = json.loads(known.read_text("utf-8"))
        except (OSError, ValueError):
            found = None
        if isinstance(found, dict) and found.get("key") == key:
            return Stubs(tuple(found["functions"]), tuple(found["data"]))
        stubs = classify(self._objects, names, self._ours)
        answer = {"key": key, "functions": stubs.functions, "data": stubs.data}
        known.write_text(json.dumps(answer), "utf-8")
        return stubs

    def _note(self, name: str) -> None:
        """Note the program as the present one, and keep the one before it, to compare with."""
        kept = [name, *(one for one in builds_of(self._folder) if one != name)][:KEPT]
        (self._folder / BUILDS).write_text("\n".join(kept) + "\n", "utf-8")
        for old in self._folder.glob("program-*"):
            if old.name.partition(".")[0].removeprefix("program-") not in kept:
                old.unlink(missing_ok=True)

    def _compile_ours(self) -> list[Path]:
        """Return our objects of the tree's side, made anew when the tree's headers may differ."""
        text = b"".join(
            path.read_bytes()
            for path in sorted((*KERNEL_SIDE.glob("*.[ch]"), *HOST_SIDE.glob("*.[ch]")))
        )
        line = self._objects.command_of("mm/mmap.o")
        headers = self._objects.digest_of_headers("mm/mmap.o")
        key = hashlib.sha256(
            b"\0".join((text, line.encode(), headers.encode(), repr(PROBES).encode()))
        )
        marker = self._ours / "key"
        fork = self._ours / f"{_FORK}.o"
        outputs = [self._ours / f"{name}.o" for name in _OURS]
        if (
            marker.is_file()
            and marker.read_text() == key.hexdigest()
            and all(o.is_file() for o in outputs)
        ):
            return [*outputs, *([fork] if fork.is_file() else [])]
        marker.unlink(missing_ok=True)
        fork.unlink(missing_ok=True)
        found = probe(self._objects, '#include "tree.h"', self._ours)
        (self._folder / "probed.h").write_text(probed_header(found), "utf-8")
        for name, output in zip(_OURS, outputs, strict=True):
            compile_unit(self._objects, KERNEL_SIDE / f"{name}.c", output, "")
        if not found["HAS_DUP_MMAP"]:
            source = self._objects.tree.path / "kernel" / "fork.c"
            compile_unit(
                self._objects, KERNEL_SIDE / f"{_FORK}.c", fork, f"-DVMALAB_FORK_C='\"{source}\"'"
            )
            outputs.append(fork)
        for name in _HOST:
            self._compile_host(name)
        marker.write_text(key.hexdigest())
        return outputs

    def _compile_host(self, name: str) -> None:
        release = f'-DVMALAB_RELEASE="{self._objects.tree.release}"'
        flags = ["-O2", "-g", "-Wall", "-Wextra", "-fno-pie", "-fno-omit-frame-pointer", release]
        flags += ["-DVMALAB_SANITIZE"] if self._objects.sanitize else []
        source, output = HOST_SIDE / f"{name}.c", self._ours / f"host-{name}.o"
        run_command(
            ["gcc", *flags, "-c", "-o", str(output), str(source)], self._folder, source.name
        )

    def _with_starters(self, path: Path) -> Path:
        """Return an object with those of its local functions made global that we call."""
        name = str(path.relative_to(self._objects.folder))
        wanted = STARTERS.get(name, ())
        if not wanted:
            return path
        output = self._ours / ("global-" + name.replace("/", "-"))
        words = [f"--globalize-symbol={symbol}" for symbol in wanted]
        run_command(["objcopy", *words, str(path), str(output)], self._folder, f"objcopy {name}")
        return output

    def _finish(self, program: Path, units: list[Path], stubs: str) -> None:
        source = self._ours / "stubs.S"
        source.write_text(stubs, "utf-8")
        host = [str(self._ours / f"host-{name}.o") for name in _HOST]
        new = program.with_suffix(".new")
        words = [
            "gcc",
            "-no-pie",
            "-w",
            "-o",
            str(new),
            *map(str, units),
            *host,
            str(source),
        ]
        run_command(words, self._folder, "the program cannot be linked")
        os.replace(new, program)


_OF_STUBS: Final = {
    "vmalab_stub_calls",
    "vmalab_stub_names",
    "vmalab_stub_count",
    "vmalab_stub_bytes",
}


def _host_symbols(folder: Path) -> set[str]:
    """Return what our objects of the host's side define."""
    text = run_command(
        ["nm", "--defined-only", "-g", *(str(folder / f"host-{n}.o") for n in _HOST)], folder, "nm"
    )
    return {line.split()[2] for line in text.splitlines() if len(line.split()) == 3}
