# SPDX-License-Identifier: GPL-2.0-or-later
"""On what machine a bare log was made, by its calls and addresses: what is not x86 is told by name.

A log says neither. But each architecture puts the first free mapping at a place of its own, has
calls that no other has, and its loader reads the headers of libraries that are its own.
"""

from typing import Final, final

from vmalab.calls.call import Call, Event
from vmalab.calls.errors import ReadError
from vmalab.linux.include.uapi.mman import MAP_32BIT, MAP_FIXED, MAP_FIXED_NOREPLACE
from vmalab.linux.include.uapi.unistd import NR_mmap

# e_machine of ELF files, and what a loader reads of a library to begin with, in bytes.
_MACHINES: Final = {
    2: "sparc",
    8: "mips",
    20: "powerpc",
    21: "powerpc64",
    22: "s390x",
    40: "arm",
    43: "sparc64",
    183: "arm64",
    243: "riscv64",
    258: "loongarch64",
}
_X86: Final = (3, 62)
_LOADERS_READ: Final = (512, 832, 960)
_CALLS: Final = {
    "set_tls": "arm",
    "arm_fadvise64_64": "arm",
    "arm_sync_file_range": "arm",
    "riscv_flush_icache": "riscv64",
    "riscv_hwprobe": "riscv64",
    "s390_runtime_instr": "s390x",
    "spu_run": "powerpc64",
}
# Where the first free mapping of a 64-bit program is on machines that are no x86-64.
_PLACES_64: Final = (
    (0x3F_0000_0000, 1 << 38, "riscv64 with 39-bit addresses"),
    (1 << 38, 0x41_0000_0000, "qemu's user mode"),
    (0x6F_0000_0000, 1 << 39, "arm64 with 39-bit addresses"),
    (1 << 39, 1 << 40, "mips64"),
    (1 << 41, 1 << 42, "s390x, or arm64 with 42-bit addresses"),
    (1 << 47, 1 << 56, "arm64 with 48-bit addresses"),
)
# The same of a 32-bit program: on an x86-64 kernel (up from a third, or down from 4 GiB) and on
# an i386 one (down from 3 GiB).
_PLACES_I386: Final = (
    (0x5555_5000, 0x5800_0000),
    (0xB700_0000, 0xC000_0000),
    (0xE000_0000, 1 << 32),
)
_PLACES_32: Final = (
    (0x4000_0000, 0x5000_0000, "i386 with Linux 2.4's layout"),
    (0x7400_0000, 0x8000_0000, "armv7 with 2 GiB for programs"),
    (0xB000_0000, 0xB700_0000, "armv7"),
)
# Mappings that must begin at multiples of a larger page before that is believed.
_ENOUGH: Final = 10
# The number of calls of which nothing is known.
_UNNUMBERED: Final = -1
# Larger ones are aligned for huge pages.
_SMALL: Final = 1 << 21
_PAGES: Final = ((0x10000, "64 KiB"), (0x4000, "16 KiB"))


@final
class Architecture:
    """What the calls of one log say of its machine."""

    def __init__(self) -> None:
        self._is_x86 = False
        self._placed_64 = False
        self._placed_32 = False
        self._odd = 0
        self._bits = 0

    def check(self, path: str, events: list[Event]) -> None:
        """Check events of a bare log. Errors: ReadError for one of another architecture."""
        for event in events:
            if self._is_x86:
                break
            if not isinstance(event, Call) or event.row.number not in (NR_mmap, _UNNUMBERED):
                continue
            machine = self._foreign(event)
            if machine:
                why = f"made on {machine}: only x86-64 and i386 are modelled"
                raise ReadError(path, event.line, why)

    def _foreign(self, call: Call) -> str:
        """Return the name of the machine that a call gives away, "" for x86 and for no machine."""
        if call.lenient:
            return ""
        if call.row.number == NR_mmap:
            return self._of_mapping(call)
        if call.name in ("read", "pread64") and call.a2 in _LOADERS_READ:
            return self._of_header(call.mem and call.mem.get(1))
        return _CALLS.get(call.name, "")

    def _of_mapping(self, call: Call) -> str:
        """Return what an mmap gives away by where it has mapped, if it was free to choose."""
        if call.a0 != 0 or not call.native or call.result <= 0:
            return ""
        if call.a3 & (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_32BIT) or call.result & 0xFFF:
            return ""
        place = int(call.result)
        if call.abi == "i386":
            return self._of_place_32(place)
        return self._of_place_64(place) or self._of_pages(place, call.args[1])

    def _of_header(self, text: object) -> str:
        if not isinstance(text, str) or not text.startswith("\x7fELF"):
            return ""
        raw = text.encode("utf-8", "surrogateescape")
        if len(raw) < 20:
            return ""
        number = int.from_bytes(raw[18:20], "big" if raw[5] == 2 else "little")
        self._is_x86 = number in _X86
        return _MACHINES.get(number, "")

    def _of_place_64(self, place: int) -> str:
        if self._placed_64:
            return ""
        self._placed_64 = True
        # A place that is no machine's says nothing: a program can have asked for a layout.
        return next((name for low, high, name in _PLACES_64 if low <= place < high), "")

    def _of_place_32(self, place: int) -> str:
        if self._placed_32:
            return ""
        self._placed_32 = True
        if any(low <= place < high for low, high in _PLACES_I386):
            return ""
        for low, high, name in _PLACES_32:
            if low <= place < high:
                return name
        return "a 32-bit machine that is no i386"

    def _of_pages(self, place: int, length: int) -> str:
        """Return what pages a machine has on which all mappings begin at large multiples."""
        if length % _PAGES[0][0] == 0 or length >= _SMALL:
            return ""
        self._odd += 1
        self._bits |= place
        if self._odd < _ENOUGH:
            return ""
        for size, name in _PAGES:
            if self._bits % size == 0:
                return f"a machine with pages of {name} (arm64, powerpc64 or loongarch64)"
        self._is_x86 = True
        return ""
