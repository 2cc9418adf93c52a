# SPDX-License-Identifier: GPL-2.0-or-later
"""Process images of a flight: what meta.json says of each, its maps, its faults."""

import os
import struct
from collections import deque
from typing import Final, final

from vmalab.calls.errors import ReadError
from vmalab.linux.include.uapi.prctl import PRCTL_MM_MAP_ADDRESSES
from vmalab.recording.events import layout
from vmalab.recording.events.code_map import CodeMap
from vmalab.recording.events.maplines import KernelVma, Places, smaps_lines, text_at
from vmalab.recording.format.filesystem import UNKNOWN
from vmalab.recording.format.meta import MAX_IMAGES
from vmalab.recording.tracer.mounts import of_device
from vmalab.recording.tracer.proc_files import AUXV_NAMES, devices
from vmalab.recording.tracer.program_headers import headers_of_file
from vmalab.recording.tracer.recording_writer import ImageFiles, Output

_LIMITS: Final = {2: "DATA", 3: "STACK", 8: "MEMLOCK", 9: "AS"}
_UNLIMITED: Final = (1 << 64) - 1
_PAGE_KB: Final = 4
# Names of files that are remembered.
_MOST_NAMES: Final = 1 << 16
# Paths that were opened last, of which one may be that of a file that is mapped.
_LATEST: Final = 16


@final
class Loaded:
    """A program that has just been loaded, as the kernel says it."""

    def __init__(self, view: memoryview, offset: int) -> None:
        words = struct.unpack_from(
            f"<{len(PRCTL_MM_MAP_ADDRESSES)}Q", view, offset + layout.MM_FIELDS
        )
        self.mm = dict(zip(PRCTL_MM_MAP_ADDRESSES, words, strict=True))
        limits = struct.unpack_from(f"<{2 * layout.NR_LIMITS}Q", view, offset + layout.LIMITS)
        self.rlimits = {
            name: [_limit(limits[2 * at]), _limit(limits[2 * at + 1])]
            for at, name in _LIMITS.items()
        }
        auxv = struct.unpack_from(f"<{layout.AUXV_SIZE // 8}Q", view, offset + layout.AUXV)
        self.auxv: dict[str, int] = {}
        for key, value in zip(auxv[::2], auxv[1::2], strict=True):
            if key == 0:
                break
            if key in AUXV_NAMES:
                self.auxv[AUXV_NAMES[key]] = value
        uid, caps = struct.unpack_from("<QQ", view, offset + layout.UID)
        self.status = {"Uid": "\t".join([str(uid & 0xFFFFFFFF)] * 4), "CapEff": f"{caps:016x}"}
        self.args = struct.unpack_from("<6Q", view, offset + layout.EXEC_ARGS)
        self.filename = text_at(view, offset + layout.EXEC_NAME, 256)
        self.program = text_at(view, offset + layout.EXEC_FILE, 256)

    @property
    def places(self) -> Places:
        """Addresses that name VMAs."""
        return Places(self.mm["start_brk"], self.mm["brk"], self.mm["start_stack"])


def _leads_to(path: str, dev: str, inode: int, name: str) -> bool:
    """Return whether a path is now that of a file, whose own name is known."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return False
    number = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}"
    # Some file systems (btrfs, overlayfs) have a device for maps and another for stat.
    same = number == dev or os.path.basename(os.path.realpath(path)) == name
    return found.st_ino == inode and same


def _limit(value: int) -> int | None:
    return None if value == _UNLIMITED else value


@final
class Kernel:
    """What is known of the machine while events are decoded: its version, and names of files."""

    def __init__(self, version: tuple[int, int] | None, *, opens: bool) -> None:
        """version: (6, 18). opens: whether files that events name may be opened."""
        self.version = version or (0, 0)
        self.opens: Final = opens
        self._names: dict[tuple[str, int], str] = {}
        self._file_systems: dict[str, str] = {}
        # By the last part of a path; and the latest ones.
        self._opened: dict[str, str] = {}
        self._latest: deque[str] = deque(maxlen=_LATEST)

    def opened(self, path: str, folder: str) -> None:
        """A recorded program has opened a path. folder: where it was at first, "" for not known."""
        if path.startswith("/"):
            if len(self._opened) < _MOST_NAMES:
                self._opened[os.path.basename(path)] = path
        elif folder.startswith("/"):
            # It may be elsewhere by now, so this counts only where the file is there.
            path = os.path.join(folder, path)
        if path.startswith("/"):
            self._latest.append(path)

    def loaded(self, dev: str, inode: int, path: str) -> None:
        """A program of that path is this file."""
        if len(self._names) < _MOST_NAMES:
            self._names[dev, inode] = path

    def path_of(self, dev: str, inode: int, name: str) -> str:
        """Return the path of a file, as far as it is known. name: its last part."""
        known = self._names.get((dev, inode))
        if known is None:
            known = self._found(dev, inode, name)
            self.loaded(dev, inode, known)
        return known

    def file_system_of(self, dev: str, noexec: bool = False) -> str:
        """Return the words for the file system with a device; noexec: how it is mounted."""
        words = self._file_systems.get(dev)
        if words is None:
            words = of_device("self", dev) if self.opens else ""
            self._file_systems[dev] = words
        words = words or UNKNOWN
        return f"{words},noexec" if noexec else words

    def _found(self, dev: str, inode: int, name: str) -> str:
        """Return the path of a file: one that leads there, else the last one of that name."""
        same = self._opened.get(name, name)
        if self.opens:
            for path in (same, *reversed(self._latest)):
                if path.startswith("/") and _leads_to(path, dev, inode, name):
                    return os.path.realpath(path)
        return same


@final
class FlightImage:
    """One image. users: threads that use it. facts: what meta.json says of it."""

    def __init__(self, output: Output, name: str, facts: dict[str, object] | None = None) -> None:
        """facts: of an image that has been begun already.

        Errors: OutputFailed, here and in all methods; ReadError: there are too many.
        """
        if output.count_images() >= MAX_IMAGES:
            raise ReadError(output.folder, 0, f"more than {MAX_IMAGES} images")
        self.name = name
        self.users: set[int] = set()
        self.facts: dict[str, object] = {} if facts is None else facts
        self._ended = False
        self.brk = 0
        # Where it has code; and whose it is.
        self.code = CodeMap()
        self.uid = _uid(self.facts)
        self._output = output
        self._files: ImageFiles = output.image(name, self.facts)
        self._files.append("faults.txt", b"")
        self._places = Places(0, 0, 0)
        self._kind = ""
        self._addresses: dict[int, None] = {}

    def like(self, parent: "FlightImage") -> None:
        """It is a copy of another one."""
        self.brk = parent.brk
        self.uid = parent.uid
        self.code.like(parent.code)
        self._places = parent._places

    def begin(self, loaded: Loaded, vmas: list[KernelVma], kernel: Kernel) -> None:
        """A program has been loaded: its first map is known."""
        self._places = loaded.places
        self.brk = loaded.mm["brk"]
        self.facts["rlimits"] = loaded.rlimits
        self.facts["auxv"] = {name: f"{value:#x}" for name, value in loaded.auxv.items()}
        self.facts["mm"] = {name: f"{value:#x}" for name, value in loaded.mm.items() if value}
        self.facts["status"] = loaded.status
        self.facts["anon_vma"] = [f"{vma.start:x}-{vma.end:x}" for vma in vmas if vma.anon]
        elf = _headers(loaded, vmas, kernel)
        if elf:
            self.facts["elf"] = elf
        self.uid = _uid(self.facts)
        names = _names(vmas, kernel)
        self.code.begin(vmas, names)
        self._begin_with(self._smaps(vmas, names, kernel), kernel)

    def end(
        self,
        vmas: list[KernelVma],
        counters: tuple[int, ...],
        kernel: Kernel,
        meta: dict[str, object],
    ) -> None:
        """It ends, and this was its last map. meta: where the main one has its counters."""
        if self._ended:
            return
        self.flush()
        self._places = Places(self._places.start_brk, self.brk, self._places.start_stack)
        self._files.snapshot("final", self._smaps(vmas, _names(vmas, kernel), kernel))
        names = ("VmSize", "VmLck", "VmData", "VmStk")
        sizes = {name: _PAGE_KB * pages for name, pages in zip(names, counters, strict=True)}
        self.facts["final_status"] = {name: f"{size:8} kB" for name, size in sizes.items()}
        if meta:
            meta["counters"] = {"final": {"image": self.name, **sizes}}

    def _smaps(self, vmas: list[KernelVma], names: list[str], kernel: Kernel) -> bytes:
        text = "".join(
            smaps_lines(vma, name, self._places, kernel.version)
            for vma, name in zip(vmas, names, strict=True)
        )
        return text.encode("utf-8", "surrogateescape")

    def first_map(self, smaps: bytes, kernel: Kernel) -> None:
        """Its first map is known as text."""
        self.code.begin_with(smaps)
        self._begin_with(smaps, kernel)

    def _begin_with(self, smaps: bytes, kernel: Kernel) -> None:
        """Write the first map; meta.json says on which file systems its files are."""
        known = self._output.meta.setdefault("filesystems", {})
        assert isinstance(known, dict)
        for dev in devices(smaps):
            words = kernel.file_system_of(dev)
            if words != UNKNOWN:
                known[dev] = words
        self._files.snapshot("initial", smaps)

    def end_with(self, smaps: bytes, facts: dict[str, object]) -> None:
        """Its recording ends with this map."""
        self.flush()
        self._files.snapshot("final", smaps)
        self.facts.update(facts)
        self._ended = True

    def fault(self, kind: str, address: int) -> None:
        """A fault has made private memory, or has let a stack grow."""
        if kind != self._kind:
            self.flush()
            self._kind = kind
        self._addresses[address & ~0xFFF] = None

    def flush(self) -> None:
        """Write out what was seen of faults since the last line of the log."""
        if self._addresses:
            shown = " ".join(f"{address:x}" for address in self._addresses)
            text = f"@{self._output.lines} {self._kind} {shown}\n"
            self._files.append("faults.txt", text.encode())
            self._addresses.clear()

    def close(self) -> None:
        """Nothing more happens to it."""
        self.flush()
        self._output.size += self._files.size
        self._files.size = 0
        self._files.close()


def _names(vmas: list[KernelVma], kernel: Kernel) -> list[str]:
    """Return the names of VMAs: paths of files, and what the kernel put there."""
    return [
        vma.path(kernel.path_of(vma.dev, vma.inode, vma.name)) if vma.inode else vma.name
        for vma in vmas
    ]


def _uid(facts: dict[str, object]) -> int:
    """Return whose an image is, as meta.json says it; -1 where it does not."""
    status = facts.get("status")
    word = str(status.get("Uid", "")).split("\t")[0] if isinstance(status, dict) else ""
    return int(word) if word.isdecimal() and len(word) < 11 else -1


def _headers(loaded: Loaded, vmas: list[KernelVma], kernel: Kernel) -> dict[str, object]:
    """Return the `elf` of an image in meta.json, {} when the files cannot be read any more."""
    program = _file(loaded.program, vmas, loaded.auxv.get("AT_PHDR", 0), kernel)
    if not program:
        return {}
    interp = program.get("interp")
    if not isinstance(interp, str):
        return {"program": program}
    interpreter = _file(interp, vmas, loaded.auxv.get("AT_BASE", 0), kernel)
    return {"program": program, "interpreter": interpreter} if interpreter else {}


def _file(path: str, vmas: list[KernelVma], address: int, kernel: Kernel) -> dict[str, object]:
    """Return the headers of a file that is mapped at an address, {} when it is not that file."""
    vma = next((vma for vma in vmas if vma.start <= address < vma.end), None)
    if vma is None or not vma.inode or not kernel.opens:
        return {}
    real = os.path.realpath(path)
    found = headers_of_file(real, vma.inode)
    if not found:
        return {}
    kernel.loaded(vma.dev, vma.inode, real)
    return {"path": real, "dev": vma.dev, "inode": vma.inode} | found
