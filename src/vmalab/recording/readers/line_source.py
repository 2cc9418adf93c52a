# SPDX-License-Identifier: GPL-2.0-or-later
"""Opens the files of a recording and hands out their lines: gzip or plain, with bounded memory."""

import errno
import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, final

from vmalab.calls.errors import ReadError
from vmalab.recording.readers.scanner import text_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# A longer line is cut to this (plus one character, so that it can be told) and not understood.
MAX_LINE: Final = 1 << 20
# Where a line is longer than this, the file is given up.
MAX_SKIPPED: Final = 64 << 20
# What a file may hold after decompression, in bytes.
MAX_BYTES: Final = 4 << 30
# How files begin: of gzip, and of text that PowerShell has redirected. There each character of
# ASCII has a zero.
_GZIP: Final = b"\x1f\x8b"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
# Bytes that are read of a file at once; bytes that are handed out at once. The first are more: by
# their lines a log is told from others. The next stay in a processor's cache until they are done.
_BLOCK: Final = 1 << 18
_HANDED_OUT: Final = 1 << 16


def open_plain(path: str, *, follow: bool) -> io.FileIO:
    """Open a file for reading, as its bytes are.

    follow: whether the last part of the path may be a symbolic link or a pipe (a path the user
    named); a file inside a recording must be a plain file. A device is not even opened: that alone
    can set it in motion.
    Errors: ReadError.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        mode = os.stat(path, follow_symlinks=follow).st_mode
        check_kind(path, mode, follow=follow)
        # Some plain files of /proc have no end: who reads them would wait for more.
        fd = os.open(path, flags | (0 if stat.S_ISFIFO(mode) else os.O_NONBLOCK))
    except (OSError, ValueError) as error:
        raise ReadError(path, 0, f"cannot open: {error_reason(error)}") from None
    try:
        check_kind(path, os.fstat(fd).st_mode, follow=follow)
    except ReadError:
        os.close(fd)
        raise
    return _PlainFile(fd) if stat.S_ISREG(os.fstat(fd).st_mode) else io.FileIO(fd)


@final
class _PlainFile(io.FileIO):
    """A plain file, read at a place of this object's own.

    The place of a descriptor is one for all processes that have it. A process that is forked while
    it reads a recording reads on from here, and so does the other.
    """

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._at = 0

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        count = os.preadv(self.fileno(), [buffer], self._at)
        self._at += count
        return count

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return self.readall()
        raw = os.pread(self.fileno(), size, self._at)
        self._at += len(raw)
        return raw

    def readall(self) -> bytes:
        parts = []
        while part := self.read(_BLOCK):
            parts.append(part)
        return b"".join(parts)

    def seek(self, place: int, whence: int = os.SEEK_SET, /) -> int:
        base = (0, self._at, os.fstat(self.fileno()).st_size)[whence]
        if base + place < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        self._at = base + place
        return self._at

    def tell(self) -> int:
        return self._at


@contextmanager
def opened(path: str, *, follow: bool) -> Iterator[io.BufferedIOBase]:
    """Yield a file for reading, decompressed when it is gzip.

    Follow, errors: as of `open_plain`.
    """
    with io.BufferedReader(open_plain(path, follow=follow), _BLOCK) as plain:
        try:
            begin = plain.peek(4)[:4]
        except OSError as error:
            raise ReadError(path, 0, f"cannot be read: {error_reason(error)}") from None
        if begin.startswith(_UTF_16) and 0 in begin:
            why = "text in UTF-16: make it UTF-8, as with `iconv -f UTF-16 -t UTF-8`"
            raise ReadError(path, 0, why)
        if begin.startswith(_GZIP):
            with gzip.open(plain, "rb") as unpacked:
                yield unpacked
        else:
            yield plain


def check_kind(path: str, mode: int, *, follow: bool) -> None:
    """Check that a file is of a kind that is read, by its mode. Errors: ReadError."""
    if stat.S_ISLNK(mode):
        raise ReadError(path, 0, "cannot open: a symbolic link, which is not followed")
    if not (stat.S_ISREG(mode) or (follow and stat.S_ISFIFO(mode))):
        raise ReadError(path, 0, "not a plain file")


def error_reason(error: Exception) -> str:
    """Return why a file cannot be read."""
    if isinstance(error, BlockingIOError):
        return "it has no end, and more may come at any time"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


@final
class LineSource:
    """Iterates over a file in batches of lines (without newlines), or over blocks of their bytes.

    Bytes that are not UTF-8 become surrogate escapes. A line longer than MAX_LINE comes cut to
    MAX_LINE + 1 bytes. After the last batch: `last` is what stood behind the last newline
    (None: nothing), `broken` why the file could not be read to its end (None: it could).
    Errors: ReadError, on iteration, when the file cannot be opened.
    """

    def __init__(self, path: str, *, follow: bool = False, limit: int = MAX_BYTES) -> None:
        self.path = path
        self.last: str | None = None
        self.broken: str | None = None
        self._limit = limit
        self._follow = follow
        self._raw: io.RawIOBase | None = None
        self._size = 0

    def __iter__(self) -> Iterator[list[str]]:
        return map(lines_in, self.blocks())

    def blocks(self) -> Iterator[bytes]:
        """Yield the lines as they are in the file, many at a time, each with its newline.

        A carriage return before it is left out.
        """
        self.last = None
        self.broken = None
        with opened(self.path, follow=self._follow) as file:
            plain = file.fileobj if isinstance(file, gzip.GzipFile) else file
            self._raw = getattr(plain, "raw", None)
            self._size = os.fstat(file.fileno()).st_size
            yield from self._blocks(file)

    def share(self) -> float | None:
        """Return which part of the file has been read, 0 to 1; None where its size is not known."""
        if self._raw is None or self._raw.closed or not self._size:
            return None
        return min(self._raw.tell() / self._size, 1.0)

    def _read(self, file: io.BufferedIOBase, most: int) -> bytes:
        try:
            # One block of gzip at a time: what precedes the place where it is broken is not lost.
            return file.read1(most)
        except (OSError, EOFError, zlib.error) as error:
            self.broken = f"the file cannot be read further: {error_reason(error)}"
            return b""

    def _blocks(self, file: io.BufferedIOBase) -> Iterator[bytes]:
        rest = b""
        skipping = 0
        total = 0
        while block := self._read(file, _HANDED_OUT if total else _BLOCK):
            total += len(block)
            if total > self._limit:
                self.broken = f"the file holds more than {self._limit} bytes"
                break
            if skipping:
                skipped, newline, block = block.partition(b"\n")
                skipping += len(skipped)
                if skipping > MAX_SKIPPED:
                    self.broken = f"a line of more than {MAX_SKIPPED} bytes: not text"
                    break
                if not newline:
                    continue
                skipping = 0
            end = block.rfind(b"\n") + 1
            if end == 0:
                rest += block
            else:
                yield _without_returns(rest + block[:end])
                rest = block[end:]
            if len(rest) > MAX_LINE:
                yield rest[: MAX_LINE + 1] + b"\n"
                rest = b""
                skipping = MAX_LINE
        if rest:
            self.last = text_of(rest)


def _without_returns(block: bytes) -> bytes:
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block


def lines_in(block: bytes) -> list[str]:
    """Return the lines of a block, without their newlines."""
    return text_of(block[:-1]).split("\n")


def read_all(path: str, limit: int, *, follow: bool = False) -> bytes:
    """Return a whole file of at most `limit` bytes, decompressed. Errors: ReadError."""
    with opened(path, follow=follow) as file:
        try:
            raw = file.read(limit + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise ReadError(path, 0, f"cannot be read to its end: {error}") from None
    if len(raw) > limit:
        raise ReadError(path, 0, f"more than {limit} bytes")
    return raw
