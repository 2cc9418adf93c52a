# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads faults.txt: what a recorder saw of page faults, which no log of calls tells."""

import re
from collections.abc import Iterator
from typing import final

from mypy_extensions import mypyc_attr

from vmalab.calls.errors import ReadError
from vmalab.linux.include.page import TASK_SIZE_5LEVEL
from vmalab.patterns import pattern
from vmalab.recording.readers.characters import AT, NEWLINE, SPACE
from vmalab.recording.readers.line_source import MAX_LINE, LineSource
from vmalab.recording.readers.scanner import Scanner

_FACT = pattern(r"@(\d{1,18}) (pages|stack|grow)((?: [0-9a-f]{1,16})+)$", re.ASCII)
_SIZE = pattern(r"@(\d{1,18}) size ([0-9a-f]{2,8}:[0-9a-f]{2,8}) (\d{1,19}) (\d{1,18})$", re.ASCII)


@final
@mypyc_attr(native_class=True, acyclic=True)
class Faults:
    """What had happened when so many lines of the log were complete.

    kind: "pages": at each of the addresses (bytes) private memory had been written to; "stack": the
    stack that ends at the second address had grown down to the first; "grow": a fault at each of
    the addresses had let the stack above it grow, as far as limits allow; "size": the file with a
    device and inode, as fstat says, had so many bytes.
    """

    __slots__ = ("addresses", "dev", "inode", "kind", "line", "size")

    def __init__(
        self,
        line: int,
        kind: str,
        addresses: tuple[int, ...] = (),
        dev: str = "",
        inode: int = 0,
        size: int = 0,
    ) -> None:
        self.line = line
        self.kind = kind
        self.addresses = addresses
        self.dev = dev
        self.inode = inode
        self.size = size


def read_faults(path: str, *, follow: bool = True) -> Iterator[Faults]:
    """Yield the facts of a file in order, one at a time. Errors: ReadError."""
    source = LineSource(path, follow=follow)
    at = 0
    for block in source.blocks():
        scanner = Scanner(block)
        while scanner.at < scanner.size:
            at += 1
            yield _usual(scanner) or parse_fault(path, at, scanner.line())
    if source.broken is not None:
        raise ReadError(path, at + 1, source.broken)
    # A last line without its newline was being written when the recorder was killed.


def parse_fault(path: str, at: int, line: str) -> Faults:
    """Return what one line of a file says; `at`: its number. Errors: ReadError."""
    match = _FACT().match(line) if len(line) <= MAX_LINE else None
    if match is None:
        return _size(path, at, line)
    number, kind, words = match.groups()
    addresses = tuple(int(word, 16) for word in words.split())
    if max(addresses) > TASK_SIZE_5LEVEL or (kind == "stack" and len(addresses) != 2):
        raise ReadError(path, at, "invalid addresses")
    return Faults(int(number), kind, addresses)


def _usual(scanner: Scanner) -> Faults | None:
    """Return what the next line says of one page that was written to, and pass it.

    So do most. None where it takes a closer look.
    """
    start = scanner.at
    found: Faults | None = None
    if scanner.text[start] == AT:
        scanner.at = start + 1
        at = scanner.decimal(SPACE)
        if at >= 0 and scanner.passes(b"pages "):
            address = scanner.hexadecimal(NEWLINE)
            if 0 <= address <= TASK_SIZE_5LEVEL:
                found = Faults(int(at), "pages", (int(address),))
    if found is None:
        scanner.at = start
    return found


def _size(path: str, at: int, line: str) -> Faults:
    match = _SIZE().match(line) if len(line) <= MAX_LINE else None
    if match is None:
        raise ReadError(
            path,
            at,
            "not a line on faults (@LINE pages ADDR..., @LINE grow ADDR..., @LINE stack LOW END "
            "or @LINE size DEV INODE BYTES)",
        )
    number, dev, inode, size = match.groups()
    return Faults(int(number), "size", dev=dev, inode=int(inode), size=int(size))
