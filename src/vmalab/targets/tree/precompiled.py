# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles an edited file of a tree once more, with its headers compiled beforehand.

The headers are two thirds of what the compiler reads and a third of its time. They are compiled
into the cache beside the first edit, and used as long as neither they nor the command line change.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final, final

# The header that gathers the others; beside it, what the compiler makes of it.
HEADER: Final = "all.h"
# Folders that are kept, one for each object that was edited: some 60 MB each.
KEPT: Final = 2
_INCLUDED: Final = re.compile(r" -include (\S+)")
_NOTES: Final = re.compile(r" -Wp,-MM?D,(\S+)")
_END: Final = re.compile(r" -c -o (\S+) (\S+\.c)\s*$")
# Line tables are enough for a debugger's backtrace.
_DEBUG: Final = re.compile(r" -g(?= )")
_LEADING: Final = re.compile(r"\s*(?:/\*.*?\*/\s*|//[^\n]*\n\s*)*(#include [^\n]+)\n", re.S)


def files_of_note(path: Path) -> list[str]:
    """Return what the compiler has noted that it read, nothing where there is no note."""
    try:
        text = path.read_text("utf-8", "replace")
    except OSError:
        return []
    return text.partition(":")[2].replace("\\\n", " ").split()


@final
class Precompiled:
    """Headers of one object, compiled beforehand in a folder of the cache.

    line: the command line that Kbuild noted; stamp: tells size and time of a file. Errors of the
    methods: OSError.
    """

    def __init__(self, place: Path, name: str, line: str, stamp: Callable[[str], str]) -> None:
        self._folder = place / name.replace("/", "-")
        line = _DEBUG.sub(" -g1", line)
        self._includes = [os.path.join(place.parent, "objects", i) for i in _INCLUDED.findall(line)]
        self._line = line
        bare = _NOTES.sub("", _INCLUDED.sub("", line))
        end = _END.search(bare)
        self._source = end[2] if end else ""
        self._bare = bare[: end.start()] if end else ""
        self._stamp = stamp

    def line(self) -> str:
        """Return the command line to compile the object with, by way of the headers if possible."""
        if not self._is_ready():
            return self._line
        header = self._folder / HEADER
        os.utime(self._folder)
        return _INCLUDED.sub("", self._line).replace(" ", f" -include {header} ", 1)

    def begin(self, folder: Path) -> "subprocess.Popen[bytes] | None":
        """Let the compiler make the headers, unless they are there or cannot be; end it by `end`.

        folder: where the command line is run.
        """
        if self._is_ready() or not self._bare or not self._headers():
            return None
        self._folder.mkdir(parents=True, exist_ok=True)
        self._key_file().unlink(missing_ok=True)
        header = self._folder / HEADER
        header.write_text("".join(f"#include {one}\n" for one in self._headers()), "utf-8")
        noted = f"-Wp,-MMD,{self._noted()}"
        line = f"exec {self._bare} {noted} -x c-header -o {header}.gch {header}"
        quiet = subprocess.DEVNULL
        return subprocess.Popen(["sh", "-c", line], cwd=folder, stdout=quiet, stderr=quiet)

    def end(self, compiler: "subprocess.Popen[bytes] | None") -> None:
        """Wait for the compiler, and note what the headers are good for."""
        if compiler is None:
            return
        if compiler.wait() == 0:
            self._key_file().write_text(self._key(), "ascii")
        folders = sorted(self._folder.parent.iterdir(), key=lambda one: one.stat().st_mtime)
        for old in folders[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def sources(self) -> list[str]:
        """Return the files that the headers were made from, relative to the objects' folder."""
        return files_of_note(self._noted())

    def _noted(self) -> Path:
        return self._folder / f"{HEADER}.d"

    def _key_file(self) -> Path:
        return self._folder / "key"

    def _is_ready(self) -> bool:
        try:
            return self._key_file().read_text("ascii") == self._key()
        except OSError:
            return False

    def _key(self) -> str:
        stamps = (f"{path} {self._stamp(path)}" for path in self.sources())
        text = "\n".join((self._bare, *self._headers(), *stamps))
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()

    def _headers(self) -> list[str]:
        """Return what the source includes before anything else, behind what is always included."""
        found: list[str] = []
        try:
            text = Path(self._source).read_text("utf-8", "replace")
        except OSError:
            return []
        at = 0
        while match := _LEADING.match(text, at):
            if "trace/" in match[1]:
                break
            found.append(match[1].removeprefix("#include").strip())
            at = match.end()
        return [f'"{one}"' for one in self._includes] + found if found else []
