# SPDX-License-Identifier: GPL-2.0-or-later
"""Names places in ELF files: function, source line, and what was inlined there.

By Sentry's `symbolic`, which reads symbol tables and DWARF, and by `demangle`. Both are made for
files from strangers: the one is Rust, the other Python with limits. They are an extra of this
package, `frames`; without them a place has no name.
"""

import os
import stat
from contextlib import suppress
from functools import cache
from typing import Any, Final, final

from vmalab.recording.format.frames import FrameNames, Named
from vmalab.recording.symbol_names import demangled
from vmalab.recording.tracer.code_places import CodeFile
from vmalab.recording.tracer.debug_files import MAX_FILE, debug_files, debug_link, has_checksum
from vmalab.recording.tracer.program_headers import elf_headers

MISSING: Final = "recorded without the libraries that name it: pip install 'vmalab[frames]'"
NO_SYMBOL: Final = "no symbol spans it"
NO_SYMBOLS: Final = "no symbol: the file is stripped, and there is no debug file of its build"
NO_LINES: Final = "no source line: built without -g, and there is no debug file of its build"
_PT_LOAD: Final = 1


@cache
def available() -> bool:
    """Load the libraries; Returns: whether they are there."""
    try:
        import demangle
        import elftools.elf.elffile
        import symbolic.debuginfo
    except ImportError:
        return False
    return bool(demangle and elftools and symbolic)


def file_names(file: CodeFile) -> dict[int, FrameNames]:
    """Return what stands at the places of a file, by offset (bytes)."""
    if file.why or not available():
        return dict.fromkeys(file.offsets, FrameNames(why=file.why or MISSING))
    try:
        elf = _Elf(file)
    except _Unusable as error:
        return dict.fromkeys(file.offsets, FrameNames(why=str(error)))
    return {offset: elf.names(offset) for offset in sorted(file.offsets)}


class _Unusable(Exception):
    """Why nothing in a file has a name, as one phrase."""


@final
class _Elf:
    """One file. Errors: _Unusable."""

    def __init__(self, file: CodeFile) -> None:
        path = f"/proc/self/fd/{file.fd}"
        there = os.fstat(file.fd)
        if not stat.S_ISREG(there.st_mode):
            raise _Unusable("not a plain file")
        if there.st_size > MAX_FILE:
            raise _Unusable(f"its file has more than {MAX_FILE} bytes")
        self._loads = _loads(path)
        own = _object(path)
        # The symbols of the file itself, and before them those of its debug file.
        self._symbols = [own.make_symcache()]
        self._has_debug = "debug" in own.features
        if not self._has_debug:
            self._add_debug_file(file, path, own.code_id or "")

    def _add_debug_file(self, file: CodeFile, path: str, build: str) -> None:
        """Put the symbols of the file's debug file first, if there is one of its very build."""
        link = debug_link(path)
        for candidate in debug_files(file, build, link):
            with suppress(_Unusable, OSError):
                debug = _object(candidate)
                same = bool(build) and debug.code_id == build
                if same or (link is not None and has_checksum(candidate, link)):
                    self._symbols.insert(0, debug.make_symcache())
                    self._has_debug = True
                    return

    def names(self, offset: int) -> FrameNames:
        """Return what stands at an offset, which is behind the call that is on the stack."""
        for begins, size, vaddr in self._loads:
            if begins < offset <= begins + size:
                address = offset - 1 - begins + vaddr - self._loads[0][2]
                break
        else:
            return FrameNames(why="no segment of its file has it")
        for symbols in self._symbols:
            found = symbols.lookup(address)
            names = tuple(_named(place) for place in found)
            if names:
                return FrameNames(names, "" if names[0].source or self._has_debug else NO_LINES)
        return FrameNames(why=NO_SYMBOL if self._has_debug else NO_SYMBOLS)


def _named(place: Any) -> Named:
    source = place.full_path or ""
    return Named(demangled(place.symbol), source, place.line if source else 0)


def _object(path: str) -> Any:
    """Return the one object of a file. Errors: _Unusable."""
    from symbolic.debuginfo import Archive

    try:
        return next(Archive.open(path).iter_objects())
    except Exception as error:
        raise _Unusable(f"its file cannot be read: {str(error)[:200]}") from None


def _loads(path: str) -> list[tuple[int, int, int]]:
    """Return the segments of a file: offset and size in it, address. Errors: _Unusable."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _Unusable(f"its file cannot be read: {error.strerror}") from None
    try:
        rows = elf_headers(fd).get("phdrs", [])
    finally:
        os.close(fd)
    assert isinstance(rows, list)
    loads = [(row[2], row[4], row[3]) for row in rows if row[0] == _PT_LOAD]
    if not loads:
        raise _Unusable("not an ELF file of 64 bits")
    return loads
