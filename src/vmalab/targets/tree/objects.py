# SPDX-License-Identifier: GPL-2.0-or-later
"""Objects of a kernel tree, built by its own Kbuild for user mode, outside of the tree.

The first build configures and makes all objects. Later, an object is made again, by the command
line that Kbuild noted beside it, when one of the files that it was made from has another content.
"""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, final

from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.tree.precompiled import Precompiled, files_of_note
from vmalab.targets.tree.source import KernelTree

KERNEL_SIDE: Final = Path(__file__).parent / "kernel"
# What the configuration has besides user mode's default, as far as the tree knows it.
ENABLED: Final = ("USERFAULTFD", "ANON_VMA_NAME", "KSM", "SHMEM", "MEMFD_CREATE", "DEBUG_VM")
DISABLED: Final = ("MODULES", "WERROR", "COMPAT_BRK")
# Included before all else of a tree; a copy in the cache, so that the flags of all installations of
# vmalab are the same, and what one of them has built serves the others.
FIRST: Final = "first.h"
# Beside the tree's own flags: functions by their names.
FLAGS: Final = ("-fno-inline-functions-called-once", "-w")
# A function is called before each access to memory, where that is asked for, and where an index, a
# shift or a value is out of range.
SANITIZING: Final = (
    "-fsanitize=kernel-address",
    "--param=asan-instrumentation-with-call-threshold=0",
    "--param=asan-stack=0",
    "--param=asan-globals=0",
    "-fsanitize=bounds,shift-exponent,bool,enum,integer-divide-by-zero",
)
STATE: Final = "state.json"
# The folder beside the objects with headers that were compiled beforehand.
PRECOMPILED: Final = "precompiled"
# Seconds that one command of a build may take.
PATIENCE: Final = 1800
_COMMAND: Final = re.compile(r"^(?:saved)?cmd_\S+ := (.*)$", re.M)
_DEPENDENCIES: Final = re.compile(r"^deps_\S+ := \\\n((?:.*\\\n)*.*)", re.M)


class BuildError(TargetError):
    """The tree does not compile. output: what the compiler said, complete."""

    def __init__(self, text: str, output: str) -> None:
        super().__init__(text)
        self.output = output


def run_command(command: Sequence[str] | str, folder: Path, what: str) -> str:
    """Run one command of a build: its output. Errors: BuildError."""
    shell = isinstance(command, str)
    words: Sequence[str] = ["sh", "-c", command] if isinstance(command, str) else command
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=PATIENCE,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"{what}: no end after {PATIENCE} s", "") from None
    except OSError as error:
        raise BuildError(f"{what}: {error.strerror}", "") from None
    if done.returncode != 0:
        output = done.stderr + ("" if shell else done.stdout)
        raise BuildError(f"{what}: {first_errors(output)}", output)
    return done.stdout


def first_errors(output: str) -> str:
    """Return the lines of a compiler's output that name an error, at most three of them."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    named = [line for line in lines if re.search(r"\berror\b|\*\*\*|undefined reference", line)]
    return "; ".join((named or lines[-3:] or ["it failed without a word"])[:3])[:600]


@final
class TreeObjects:
    """The objects of one tree in a folder of the cache. sanitize: with their accesses checked."""

    def __init__(self, tree: KernelTree, folder: Path, *, sanitize: bool = False) -> None:
        self.tree = tree
        self.sanitize = sanitize
        self.folder = folder / "objects"
        self._state = folder / STATE
        # Content of files by their paths, for objects that are up to date.
        self._known: dict[str, dict[str, str]] = {}
        # Size and time of each file that was looked at. They are older than what is made from it,
        # so that what is saved meanwhile is seen the next time.
        self._stamps: dict[str, str] = {}
        self._contents: dict[str, str] = {}

    @property
    def paths(self) -> list[Path]:
        """The objects, in the order of `FILES`."""
        return [self.folder / name for name in self.tree.objects]

    @property
    def flags(self) -> str:
        """The flags beside those of the tree."""
        first = f"-include {self.folder.parent / FIRST}"
        return " ".join((first, *FLAGS, *(SANITIZING if self.sanitize else ())))

    def update(self) -> list[str]:
        """Make what is missing or out of date. Returns: the objects made. Errors: BuildError."""
        self._copy_first()
        self._stamps.clear()
        self._contents.clear()
        known = self._load()
        if known is None or self._configuration() != known.get(""):
            self._configure()
            self._make(self.tree.objects)
            made = self.tree.objects
        else:
            self._known = known
            made = [name for name in self.tree.objects if self._is_stale(name)]
            for name in made:
                self._note_content(name)
                self._remake(name)
        if made or known is None:
            self._store(made)
        return made

    def _copy_first(self) -> None:
        """Have our own first header in the cache. Errors: BuildError."""
        text = (KERNEL_SIDE / FIRST).read_bytes()
        copy = self.folder.parent / FIRST
        try:
            if not copy.is_file() or copy.read_bytes() != text:
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(text)
        except OSError as error:
            raise BuildError(f"{copy}: {error.strerror}", "") from None

    def sources(self) -> list[Path]:
        """Return the files that the objects were last made from."""
        known = self._load() or {}
        paths = dict.fromkeys(path for name, paths in known.items() if name for path in paths)
        return [self.folder / path for path in paths]

    # Kbuild.

    def make(self, *words: str) -> None:
        """Run the tree's make outside of the tree. Errors: BuildError."""
        tree = str(self.tree.path)
        command = ["make", "-s", "-C", tree, f"O={self.folder}", "ARCH=um", f"KCFLAGS={self.flags}"]
        self._run([*command, *words], f"{self.tree.origin}: make {words[-1]}")

    def _run(self, command: Sequence[str] | str, what: str) -> None:
        """Run one command of the build; errors name the files where their owner has them."""
        try:
            run_command(command, self.folder, what)
        except BuildError as error:
            clean, origin = str(self.tree.path), str(self.tree.origin)
            raise BuildError(
                str(error).replace(clean, origin), error.output.replace(clean, origin)
            ) from None

    def _configure(self) -> None:
        if re.search(r"[\s:]", str(self.folder)):
            raise BuildError(
                f"{self.folder}: the kernel's build takes no path with spaces or colons: name "
                "another cache with VMALAB_CACHE",
                "",
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.make("defconfig")
        config = self.folder / ".config"
        lines = [f"CONFIG_{name}=y" for name in ENABLED]
        lines += [f"# CONFIG_{name} is not set" for name in DISABLED]
        try:
            with config.open("a", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
        except OSError as error:
            raise BuildError(f"{config}: {error.strerror}", "") from None
        self.make("olddefconfig")

    def _make(self, names: Iterable[str]) -> None:
        self.make(f"-j{min(2, os.cpu_count() or 1)}", *names)

    def command_of(self, name: str) -> str:
        """Return the command line that an object was made with. Errors: BuildError."""
        text = self._note(name)
        found = _COMMAND.search(text)
        if found is None:
            raise BuildError(f"{name}: Kbuild has noted no command line for it", "")
        return found[1].strip()

    def _note(self, name: str) -> str:
        path = self.folder / name
        note = path.with_name(f".{path.name}.cmd")
        try:
            return note.read_text("utf-8", "replace")
        except OSError as error:
            raise BuildError(f"{note}: {error.strerror}", "") from None

    def _precompiled(self, name: str) -> Precompiled:
        place = self.folder.parent / PRECOMPILED
        return Precompiled(place, name, self.command_of(name), self._stamp)

    def _remake(self, name: str) -> None:
        """Make one object by its own command line, and its headers for the next time."""
        line = self.command_of(name)
        precompiled = self._precompiled(name)
        what = f"{self.tree.origin}: {name}"
        try:
            line, compiler = precompiled.line(), precompiled.begin(self.folder)
        except OSError:
            compiler = None
        try:
            self._run(line, what)
        finally:
            try:
                precompiled.end(compiler)
            except OSError as error:
                raise BuildError(f"{what}: {error.strerror}", "") from None

    # What objects were made from.

    def _sources(self, name: str) -> list[str]:
        """Return the files that an object was made from."""
        text = self._note(name)
        found = _DEPENDENCIES.search(text)
        sources = re.findall(r"^source_\S+ := (.*)$", text, re.M)
        lines = found[1].split("\\\n") if found else []
        listed = [line.strip().rstrip("\\").strip() for line in lines]
        sources += [line for line in listed if line and not line.startswith("$(")]
        return list(dict.fromkeys((*sources, *self._since(name))))

    def _since(self, name: str) -> list[str]:
        """Return what the compiler read when it made an object again: an edit may include more."""
        path = self.folder / name
        read = files_of_note(path.with_name(f".{path.name}.d"))
        return [*read, *self._precompiled(name).sources()] if read else []

    def _stamp(self, path: str) -> str:
        """Return size and time of a file, relative to the objects' folder, as first looked at."""
        known = self._stamps.get(path)
        if known is None:
            try:
                found = os.stat(os.path.join(self.folder, path))
                known = f"{found.st_size} {found.st_mtime_ns}"
            except OSError:
                known = "gone"
            self._stamps[path] = known
        return known

    def _digest(self, path: str) -> str:
        try:
            return hashlib.sha256((self.folder / path).read_bytes()).hexdigest()[:24]
        except OSError:
            return "gone"

    def _is_stale(self, name: str) -> bool:
        """Return whether a file that an object was made from has another content now."""
        if not (self.folder / name).is_file():
            return True
        stamps = self._known.get(name)
        if stamps is None:
            return True
        for path, stamp in stamps.items():
            known, _, digest = stamp.partition("|")
            if self._stamp(path) != known and self._digest(path) != digest:
                return True
        return False

    def digest_of_headers(self, name: str) -> str:
        """Return a digest of the headers that an object was made from."""
        stamps = self._known.get(name, {})
        headers = sorted(path for path in stamps if path.endswith(".h"))
        text = "\n".join(f"{path} {stamps[path].partition('|')[2]}" for path in headers)
        return hashlib.sha256(text.encode()).hexdigest()

    def _configuration(self) -> dict[str, str]:
        """Return what decides the configuration, and the flags."""
        files = (
            "Makefile",
            "arch/um/Makefile",
            "scripts/Makefile.build",
            "mm/Makefile",
            "mm/Kconfig",
        )
        found = {name: self._digest(str(self.tree.path / name)) for name in files}
        return {**found, "flags": self.flags, "enabled": " ".join((*ENABLED, *DISABLED))}

    def _load(self) -> dict[str, dict[str, str]] | None:
        try:
            found = json.loads(self._state.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _note_content(self, name: str) -> None:
        """Note what an object is made from."""
        for path in self._sources(name):
            if path not in self._contents:
                self._contents[path] = f"{self._stamp(path)}|{self._digest(path)}"

    def _store(self, made: Iterable[str]) -> None:
        """Keep what the objects were made from, to be compared next time."""
        for name in made:
            self._note_content(name)
            self._known[name] = {path: self._contents[path] for path in self._sources(name)}
        self._known[""] = self._configuration()
        new = self._state.with_suffix(".new")
        new.write_text(json.dumps(self._known), "utf-8")
        os.replace(new, self._state)
