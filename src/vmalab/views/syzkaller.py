# SPDX-License-Identifier: GPL-2.0-or-later
"""A list of calls as a syzkaller program.

Its calls may only name addresses of one area of 16 MiB, so the windows that a stream works in are
moved there, next to each other. What has no form in its language becomes a comment.
"""

from collections.abc import Callable, Sequence
from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.format import format_call
from vmalab.calls.table import FORKS, LOOKS, MAKES_FD, MEMORY, RANGED
from vmalab.linux.include.page import PAGE_MASK, PAGE_SIZE
from vmalab.linux.include.uapi.userfaultfd import UFFDIO_API, UFFDIO_REGISTER, UFFDIO_UNREGISTER
from vmalab.views.visible import visible

# The area as programs write it, and how much of it each window gets.
AREA: Final = 0x7F0000000000
WINDOW: Final = 0x200000
_WINDOWS: Final = 7
# Behind the windows: for structures and strings.
_DATA: Final = AREA + _WINDOWS * WINDOW
_WINDOW_SHIFT: Final = 28
_U64: Final = 1 << 64

# Requests of ioctl that have one.
_IOCTLS: Final = (UFFDIO_API, UFFDIO_REGISTER, UFFDIO_UNREGISTER)


class Unwritable(Exception):
    """A call that has no form."""


class SyzProgram:
    """Writes calls one after the other; descriptors become resources."""

    def __init__(self) -> None:
        self._windows: dict[int, int] = {}
        self._resources: dict[int, str] = {}
        self.lines: list[str] = []

    def add(self, call: Call, result: int | None) -> None:
        """One more call."""
        try:
            line = self._written(call)
        except Unwritable:
            self.lines.append(f"# {visible(format_call(call))}")
            return
        if call.row.family & MAKES_FD and (result or 0) > 0:
            name = f"r{len(self._resources)}"
            self._resources[result or 0] = name
            line = f"{name} = {line}"
        self.lines.append(line)

    def _address(self, value: int) -> int:
        """Return where an address of a window lies in the area."""
        window = value >> _WINDOW_SHIFT
        offset = value & ((1 << _WINDOW_SHIFT) - 1)
        place = self._windows.setdefault(window, len(self._windows))
        if place >= _WINDOWS or offset >= WINDOW or value >= 1 << 40:
            raise Unwritable
        return AREA + place * WINDOW + offset

    def _vma(self, value: int, length: int) -> str:
        if value == 0:
            return "0x0"
        pages = (length + PAGE_SIZE - 1) & PAGE_MASK
        if not 0 < pages <= WINDOW:
            raise Unwritable
        return f"&({self._address(value):#x}/{pages:#x})=nil"

    def _fd(self, value: int) -> str:
        if value == _U64 - 1:
            return "0xffffffffffffffff"
        if value not in self._resources:
            raise Unwritable
        return self._resources[value]

    def _written(self, call: Call) -> str:
        write: Callable[[Call], str] | None = getattr(self, f"_write_{call.name}", None)
        if write is not None:
            return write(call)
        row = call.row
        kinds = row.kinds or ()
        if not row.family & MEMORY or row.family & (FORKS | LOOKS) or any("&" in k for k in kinds):
            raise Unwritable
        parts = [f"{value:#x}" for value in call.args[: len(kinds)]]
        if row.family & RANGED:
            parts[0] = self._vma(call.args[0], call.args[1])
        elif "addr" in kinds:
            raise Unwritable
        return f"{call.name}({', '.join(parts)})"

    # Calls that have more to them than a range and numbers.

    def _write_ftruncate(self, call: Call) -> str:
        return f"ftruncate({self._fd(call.args[0])}, {call.args[1]:#x})"

    def _write_close(self, call: Call) -> str:
        return f"close({self._fd(call.args[0])})"

    def _write_shmdt(self, call: Call) -> str:
        return f"shmdt({call.args[0]:#x})"

    def _write_mmap(self, call: Call) -> str:
        a = call.args
        vma = self._vma(a[0], a[1])
        return f"mmap({vma}, {a[1]:#x}, {a[2]:#x}, {a[3]:#x}, {self._fd(a[4])}, {a[5]:#x})"

    def _write_mremap(self, call: Call) -> str:
        a = call.args
        source, target = self._vma(a[0], a[1] or PAGE_SIZE), self._vma(a[4], a[2])
        return f"mremap({source}, {a[1]:#x}, {a[2]:#x}, {a[3]:#x}, {target})"

    def _write_memfd_create(self, call: Call) -> str:
        name = (call.mem or {}).get(0)
        if not isinstance(name, str):
            raise Unwritable
        return f"memfd_create(&({_DATA:#x})='{_quoted(name)}\\x00', {call.args[1]:#x})"

    def _write_userfaultfd(self, call: Call) -> str:
        return f"userfaultfd({call.args[0]:#x})"

    def _write_ioctl(self, call: Call) -> str:
        struct = (call.mem or {}).get(2)
        if not isinstance(struct, dict) or call.args[1] not in _IOCTLS:
            raise Unwritable
        fd, at = self._fd(call.args[0]), f"&({_DATA:#x})"
        if "api" in struct:
            return f"ioctl$UFFDIO_API({fd}, 0xc018aa3f, {at}={{0xaa, {struct['features']:#x}}})"
        bounds = struct.get("range", struct)
        where = f"{self._vma(bounds['start'], bounds['len'])}, {bounds['len']:#x}"
        if "range" in struct:
            mode = f"{struct['mode']:#x}"
            return f"ioctl$UFFDIO_REGISTER({fd}, 0xc020aa00, {at}={{{{{where}}}, {mode}}})"
        return f"ioctl$UFFDIO_UNREGISTER({fd}, 0x8010aa01, {at}={{{where}}})"

    def _write_mbind(self, call: Call) -> str:
        a = call.args
        mask = (call.mem or {}).get(3)
        nodes = "0x0"
        if isinstance(mask, list) and mask and isinstance(mask[0], int):
            nodes = f"&({_DATA:#x})={mask[0]:#x}"
        vma = self._vma(a[0], a[1])
        return f"mbind({vma}, {a[1]:#x}, {a[2]:#x}, {nodes}, {a[4]:#x}, {a[5]:#x})"

    def _write_prlimit64(self, call: Call) -> str:
        struct = (call.mem or {}).get(2)
        if not isinstance(struct, dict):
            raise Unwritable
        pair = f"{{{struct['rlim_cur']:#x}, {struct['rlim_max']:#x}}}"
        return f"prlimit64(0x0, {call.args[1]:#x}, &({_DATA:#x})={pair}, 0x0)"


def _quoted(text: str) -> str:
    """Write a text as it stands between the language's single quotes."""
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(b) if 32 <= b < 127 and b not in b"'\\" else f"\\x{b:02x}" for b in raw)


def syz_program(calls: Sequence[Call], results: Sequence[int | None]) -> str:
    """Return the calls in syzkaller's language."""
    program = SyzProgram()
    for call, result in zip(calls, (*results, *[None] * len(calls)), strict=False):
        program.add(call, result)
    return "\n".join(program.lines) + "\n"
