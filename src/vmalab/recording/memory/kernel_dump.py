# SPDX-License-Identifier: GPL-2.0-or-later
"""Opens a kernel's memory by means of drgn: a vmcore, a dump of a virtual machine, /proc/kcore.

No debug symbols are needed: the kernel carries its symbols' names and its types (BTF) itself. Where
it has no BTF, drgn looks for debug symbols as it always does.
"""

import mmap
import os
import struct
from typing import Any, Final, final

from vmalab.calls.errors import ReadError
from vmalab.recording.events.bpf.btf import Btf, NoSuchType
from vmalab.recording.memory.layout import Types
from vmalab.recording.readers.line_source import check_kind, error_reason, open_plain

LIVE: Final = "/proc/kcore"
_MISSING: Final = "drgn is not installed: pip install 'vmalab[drgn]'"
# Of makedumpfile's and diskdump's formats, which drgn reads with libkdumpfile.
_KDUMP: Final = (b"KDUMP   ", b"makedumpfile")
_ELF: Final = b"\x7fELF"
_CORE: Final = 4
_PT_NOTE: Final = 4
_NOTE: Final = struct.Struct("<III")
_VMCOREINFO: Final = b"VMCOREINFO\0"
# What the kernel's note about itself begins with, wherever in its memory it is.
_NOTE_TEXT: Final = _VMCOREINFO + b"\0OSRELEASE="
_MAX_VMCOREINFO: Final = 1 << 16
_MAX_NOTES: Final = 16 << 20
_MAX_BTF: Final = 64 << 20


def is_kernel_dump(path: str) -> bool:
    """Return whether a file is of a kernel's memory, not of a process's. Errors: ReadError."""
    if path == LIVE:
        return True
    with open_plain(path, follow=True) as file:
        if not file.seekable():
            return False
        try:
            head = file.read(64) or b""
        except OSError as error:
            raise ReadError(path, 0, f"cannot be read: {error_reason(error)}") from None
        if head.startswith(_KDUMP):
            return True
        if len(head) < 64 or not head.startswith(_ELF) or head[4:6] != b"\2\1":
            return False
        if struct.unpack_from("<H", head, 16)[0] != _CORE:
            return False
        return any(name in (b"QEMU\0", _VMCOREINFO) for name, _ in _notes(file, head))


def _notes(file: Any, head: bytes) -> list[tuple[bytes, bytes]]:
    """Return names and contents of an ELF file's notes, as far as they can be read."""
    (phoff,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    found = []
    if size != 56 or phoff >> 62:
        return []
    for index in range(min(count, 64)):
        file.seek(phoff + index * size)
        segment = file.read(size) or b""
        if len(segment) < size or struct.unpack_from("<I", segment)[0] != _PT_NOTE:
            continue
        offset, _, _, length = struct.unpack_from("<4Q", segment, 8)
        if offset >> 62:
            continue
        file.seek(offset)
        raw = file.read(min(length, _MAX_NOTES)) or b""
        at = 0
        while at + _NOTE.size <= len(raw):
            name_size, content_size, _ = _NOTE.unpack_from(raw, at)
            at += _NOTE.size
            name = raw[at : at + name_size]
            at += name_size + 3 & ~3
            found.append((name, raw[at : at + content_size]))
            at += content_size + 3 & ~3
    return found


def _found_vmcoreinfo(path: str) -> bytes | None:
    """Return what a kernel says of itself, found in its memory: a hypervisor's dump may lack it."""
    with open_plain(path, follow=True) as file:
        head = file.read(64) or b""
        if not head.startswith(_ELF) or any(name == _VMCOREINFO for name, _ in _notes(file, head)):
            return None
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
            at = memory.find(_NOTE_TEXT)
            while at >= _NOTE.size:
                name_size, size, kind = _NOTE.unpack_from(memory, at - _NOTE.size)
                if name_size == len(_VMCOREINFO) and kind == 0 and size <= _MAX_VMCOREINFO:
                    begin = at + (name_size + 3 & ~3)
                    text = memory[begin : begin + size]
                    if b"SYMBOL(swapper_pg_dir)=" in text:
                        return text
                at = memory.find(_NOTE_TEXT, at + 1)
    raise ReadError(path, 0, "no VMCOREINFO in it: which kernel it is of cannot be told")


@final
class _BtfTypes:
    """Types that the kernel describes itself."""

    def __init__(self, raw: bytes) -> None:
        self._btf = Btf(raw)

    def offset(self, name: str, path: str) -> int | None:
        """Return where a struct has a member, in bytes; None where it has none."""
        try:
            return self._btf.offset(name, path)
        except NoSuchType:
            return None

    def size(self, name: str) -> int:
        """Return the bytes of a struct."""
        return self._btf.size(name)


@final
class _DebugTypes:
    """Types that debug symbols describe, as drgn finds them."""

    def __init__(self, program: Any, drgn: Any) -> None:
        self._program = program
        self._drgn = drgn

    def offset(self, name: str, path: str) -> int | None:
        """Return where a struct has a member, in bytes; None where it has none."""
        try:
            return int(self._drgn.offsetof(self._program.type(f"struct {name}"), path))
        except LookupError:
            return None

    def size(self, name: str) -> int:
        """Return the bytes of a struct."""
        return int(self._drgn.sizeof(self._program.type(f"struct {name}")))


@final
class KernelDump:
    """An opened dump, or the live kernel; see `KernelMemory`. release: "6.12.117-amd64"."""

    def __init__(self, path: str) -> None:
        """Errors: ReadError, also where drgn is missing or cannot read it."""
        self.path = path
        try:
            import drgn
            from drgn.helpers.linux.kallsyms import load_vmlinux_kallsyms
        except ImportError:
            raise ReadError(path, 0, _MISSING) from None
        self._drgn: Any = drgn
        self._wrong = (drgn.FaultError, drgn.BadDataError, drgn.UnsupportedOperation)
        try:
            self._program: Any = self._opened(path)
            self.release = _release(bytes(self._program["VMCOREINFO"].string_()))
            self._symbols: Any = load_vmlinux_kallsyms(self._program)
        except (OSError, ValueError, LookupError, *self._wrong) as error:
            raise ReadError(path, 0, f"drgn cannot read it: {_reason(error)}") from None
        self._program.register_symbol_finder("vmalab", self._symbols, enable_index=0)
        self.types: Types = self._types()

    def _opened(self, path: str) -> Any:
        if path == LIVE:
            program = self._drgn.Program()
            program.set_kernel()
            return program
        check_kind(path, os.stat(path).st_mode, follow=True)
        program = self._drgn.Program(vmcoreinfo=_found_vmcoreinfo(path))
        program.set_core_dump(path)
        return program

    def _types(self) -> Types:
        try:
            start, end = self.symbol("__start_BTF"), self.symbol("__stop_BTF")
            if 0 < end - start <= _MAX_BTF:
                return _BtfTypes(self.read(start, end - start))
        except (ReadError, NoSuchType):
            pass
        try:
            self._program.load_debug_info(main=True)
        except (self._drgn.MissingDebugInfoError, OSError) as error:
            why = f"the kernel has no BTF, and no debug symbols are found: {_reason(error)}"
            raise ReadError(self.path, 0, why) from None
        return _DebugTypes(self._program, self._drgn)

    def read(self, address: int, size: int) -> bytes:
        """Return so many bytes at a kernel's address. Errors: ReadError."""
        try:
            return bytes(self._program.read(address, size))
        except (*self._wrong, ValueError, OverflowError) as error:
            raise ReadError(self.path, 0, f"not in the dump: {_reason(error)}") from None

    def symbol(self, name: str) -> int:
        """Return where the kernel has a variable or function. Errors: ReadError."""
        try:
            return int(self._program.symbol(name).address)
        except LookupError:
            raise ReadError(self.path, 0, f"the kernel has no symbol {name}") from None


def _release(vmcoreinfo: bytes) -> str:
    for line in vmcoreinfo.decode("ascii", "replace").split("\n"):
        if line.startswith("OSRELEASE="):
            return line.partition("=")[2][:64]
    return ""


def _reason(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text.split("\n", 1)[0][:200]
