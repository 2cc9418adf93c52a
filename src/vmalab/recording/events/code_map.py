# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a process has code, as its recorded calls tell: mappings of files, and code of its own.

What is mapped without a right to run may get it later, so all mappings of files are kept.
"""

import re
from bisect import bisect_left, bisect_right
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS, MREMAP_DONTUNMAP, PROT_EXEC
from vmalab.recording.events.maplines import KernelVma
from vmalab.recording.tracer.code_mapping import Code
from vmalab.recording.tracer.proc_files import lines_of

_VM_EXEC: Final = 4
_PAGE: Final = 4096
# Code of the kernel's; and names of memory, not of files.
_KERNELS: Final = ("[vdso]", "[vsyscall]")
# Mappings that are kept of one process.
_MOST: Final = 1 << 16


@final
class CodeMap:
    """The code of one address space. version: another one when anything was mapped over, or gone.

    Code without a file has no name.
    """

    def __init__(self) -> None:
        self.version = 0
        self._starts: list[int] = []
        self._codes: list[Code] = []

    def like(self, other: "CodeMap") -> None:
        """Be a copy of another one."""
        self.version += 1
        self._starts = list(other._starts)
        self._codes = list(other._codes)

    def at(self, address: int) -> Code | None:
        """Return what is mapped at an address."""
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._codes[index].end:
            return self._codes[index]
        return None

    def named(self, pattern: re.Pattern[str]) -> Code | None:
        """Return the last mapping of a file with such a path."""
        return next((code for code in reversed(self._codes) if pattern.match(code.name)), None)

    def begin(self, vmas: list[KernelVma], names: list[str]) -> None:
        """Begin with the map of a program. names: of its VMAs."""
        for vma, name in zip(vmas, names, strict=True):
            self._first(vma.start, vma.end, vma.pgoff * _PAGE, vma.inode, name, vma.flags)

    def begin_with(self, smaps: bytes) -> None:
        """Begin with the map of a process, as text."""
        for line in lines_of(smaps):
            fields = line.split(None, 5)
            bounds = fields[0].split(b"-")
            if len(fields) < 5 or len(bounds) != 2:
                continue
            try:
                start, end = (int(word, 16) for word in bounds)
                offset, inode = int(fields[2], 16), int(fields[4])
            except ValueError:
                continue
            name = fields[5].decode("utf-8", "surrogateescape") if len(fields) > 5 else ""
            flags = _VM_EXEC if b"x" in fields[1] else 0
            self._first(start, end, offset, inode, name, flags)

    def _first(self, start: int, end: int, offset: int, inode: int, name: str, flags: int) -> None:
        if name in _KERNELS:
            self._add(Code(start, end, 0, 0, name))
        elif inode:
            self._add(Code(start, end, offset, inode, name))
        elif flags & _VM_EXEC:
            self._add(Code(start, end, 0, 0, ""))

    def called(self, call: Call, result: int, name: str, inode: int) -> None:
        """A call has succeeded. name, inode: of the file that it has mapped."""
        args = call.args
        if call.name == "mmap":
            start, end = result, result + _whole(args[1])
            self._remove(start, end)
            if not args[3] & MAP_ANONYMOUS and inode:
                self._add(Code(start, end, args[5], inode, name))
            elif args[2] & PROT_EXEC:
                self._add(Code(start, end, 0, 0, ""))
        elif call.name == "munmap":
            self._remove(args[0], args[0] + _whole(args[1]))
        elif call.name == "mremap":
            self._move(args[0], _whole(args[1]), result, _whole(args[2]), args[3])
        elif call.name in ("mprotect", "pkey_mprotect") and args[2] & PROT_EXEC:
            self._allow(args[0], args[0] + _whole(args[1]))

    def _move(self, old: int, old_size: int, new: int, size: int, flags: int) -> None:
        code = self.at(old)
        if old != new and not flags & MREMAP_DONTUNMAP:
            self._remove(old, old + old_size)
        self._remove(new, new + size)
        if code is not None:
            offset = code.offset + old - code.start if code.name else 0
            self._add(Code(new, new + size, offset, code.inode, code.name))

    def _allow(self, start: int, end: int) -> None:
        """Memory may be run from now on: what is no file's is code of its own."""
        at = start
        while at < end:
            index = bisect_right(self._starts, at)
            before = self.at(at)
            if before is not None:
                at = before.end
                continue
            until = min(end, self._starts[index] if index < len(self._starts) else end)
            self._add(Code(at, until, 0, 0, ""))
            at = until

    def _remove(self, start: int, end: int) -> None:
        """Nothing of that is mapped any more."""
        first = bisect_left(self._starts, start)
        if first and self._codes[first - 1].end > start:
            first -= 1
        last = bisect_left(self._starts, end)
        if first >= last:
            return
        kept: list[Code] = []
        for code in self._codes[first:last]:
            if code.start < start:
                kept.append(Code(code.start, start, code.offset, code.inode, code.name))
            if end < code.end:
                offset = code.offset + end - code.start if code.name else 0
                kept.append(Code(end, code.end, offset, code.inode, code.name))
        self._codes[first:last] = kept
        self._starts[first:last] = [code.start for code in kept]
        self.version += 1

    def _add(self, code: Code) -> None:
        """Add what is mapped where nothing was."""
        if code.start < code.end and len(self._codes) < _MOST:
            index = bisect_left(self._starts, code.start)
            self._starts.insert(index, code.start)
            self._codes.insert(index, code)


def _whole(size: int) -> int:
    """Return bytes in whole pages."""
    return (size + _PAGE - 1) & -_PAGE
