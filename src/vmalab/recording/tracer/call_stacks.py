# SPDX-License-Identifier: GPL-2.0-or-later
"""Call stacks of held threads, printed as `strace -k` does, innermost frame first.

libunwind walks them where the machine has it (Debian: libunwind8), with the tables that every
program has for exceptions. Without it the chain of frame pointers is followed, which is right only
for programs that are built to keep one. That chain also goes on where the tables end: Go carries
its own work out on another stack, which its tables know no way back from.

A frame has no name in the log: the places are noted, and named when the recording ends.
"""

import ctypes
import struct
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from typing import Final, final

from vmalab.recording.tracer import ptrace
from vmalab.recording.tracer.code_mapping import Code
from vmalab.recording.tracer.code_places import CodePlaces, number_in_namespace, place_text
from vmalab.recording.tracer.jit_dumps import DUMP_NAME
from vmalab.recording.tracer.memory import Memory
from vmalab.recording.tracer.proc_files import lines_of, read_proc
from vmalab.recording.tracer.python_frames import PythonFrames, version_of

MAX_FRAMES: Final = 64
_CURSOR_SIZE: Final = 4096
_RIP: Final = 16
_RBP: Final = 6
_CACHE_GLOBAL: Final = 1
# Places in struct user_regs_struct, in words.
_REG_RBP: Final = 4
_REG_RIP: Final = 16
# Code without a file is looked for once in so many bytes (1 << this).
_OWN_CODE: Final = 16
# Code of the kernel's; and names of memory, not of files.
_KERNELS: Final = ("[vdso]", "[vsyscall]")
_WITHOUT_FILE: Final = ("/memfd:", "/dev/zero", "/SYSV", "/anon_hugepage")


@cache
def remote_library() -> ctypes.CDLL | None:
    """libunwind for stacks of other processes; None where the machine does not have it."""
    try:
        # Global: other libraries find its symbols in it.
        core = ctypes.CDLL("libunwind-x86_64.so.8", mode=ctypes.RTLD_GLOBAL)
        core._Ux86_64_create_addr_space.restype = ctypes.c_void_p
        core._Ux86_64_create_addr_space.argtypes = [ctypes.c_void_p, ctypes.c_int]
        core._Ux86_64_init_remote.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
        core._Ux86_64_step.argtypes = [ctypes.c_char_p]
        core._Ux86_64_get_reg.argtypes = [ctypes.c_char_p, ctypes.c_int, ctypes.c_void_p]
        core._Ux86_64_set_caching_policy.argtypes = [ctypes.c_void_p, ctypes.c_int]
        core._Ux86_64_destroy_addr_space.argtypes = [ctypes.c_void_p]
    except (OSError, AttributeError):
        return None
    return core


@cache
def libraries() -> tuple[ctypes.CDLL, ctypes.CDLL] | None:
    """libunwind and its part for traced processes; None where the machine does not have it."""
    core = remote_library()
    if core is None:
        return None
    try:
        remote = ctypes.CDLL("libunwind-ptrace.so.0")
        remote._UPT_create.restype = ctypes.c_void_p
        remote._UPT_create.argtypes = [ctypes.c_int]
        remote._UPT_destroy.argtypes = [ctypes.c_void_p]
        ctypes.c_char.in_dll(remote, "_UPT_accessors")
    except (OSError, AttributeError, ValueError):
        return None
    return core, remote


@final
class Stacks:
    """The stacks of one address space's threads. places: shared by all spaces."""

    def __init__(self, places: CodePlaces) -> None:
        self._places = places
        self._libraries = libraries()
        # Mappings of files with code, and where each begins.
        self._code: list[Code] = []
        self._starts: list[int] = []
        # The one of them that tells what code a program wrote itself.
        self._dump: Code | None = None
        # Frames as the log has them, by address; and where there is code without a file.
        self._texts: dict[int, str] = {}
        self._own_code: dict[int, bool] = {}
        # The interpreter of Python that the code is of, and how the process calls its threads.
        self._python: PythonFrames | None = None
        self._native_ids: dict[int, int] = {}
        self._space = 0
        self._helpers: dict[int, int] = {}
        self._cursor = ctypes.create_string_buffer(_CURSOR_SIZE)

    def close(self) -> None:
        """Forget everything: code was mapped or unmapped, or the space is gone."""
        if self._libraries is not None:
            core, remote = self._libraries
            for helper in self._helpers.values():
                remote._UPT_destroy(helper)
            if self._space:
                core._Ux86_64_destroy_addr_space(self._space)
        self._helpers.clear()
        self._space = 0
        self._code = []
        self._texts.clear()
        self._own_code.clear()

    def changed(self, start: int, end: int, executable: bool) -> None:
        """Memory in `[start, end)` (bytes) was mapped anew, protected or unmapped."""
        if executable or any(code.start < end and start < code.end for code in self._code):
            self.close()

    def forget(self, tid: int) -> None:
        """A thread is gone."""
        self._native_ids.pop(tid, None)
        helper = self._helpers.pop(tid, None)
        if helper is not None and self._libraries is not None:
            self._libraries[1]._UPT_destroy(helper)

    def lines(self, tid: int, memory: Memory) -> str:
        """Return the stack of a held thread, as lines of the log."""
        if not self._code:
            self._read_code(tid)
        if self._libraries is not None:
            found = self._unwound(tid, memory, *self._libraries)
        else:
            found = self._chained(tid, memory)
        frames = [self._frame(tid, address) for address in found]
        if self._python is not None:
            at = self._behind_python(found)
            frames[at:at] = self._python_frames(tid, memory, self._python)
        return "".join(f" > {frame}\n" for frame in frames)

    def _behind_python(self, found: list[int]) -> int:
        """Return the place in a stack behind the innermost functions of the interpreter."""
        within = False
        for index, address in enumerate(found):
            code = self._at(address)
            if code is not None and version_of(code.name) is not None:
                within = True
            elif within:
                return index
        return len(found)

    def _python_frames(self, tid: int, memory: Memory, python: PythonFrames) -> list[str]:
        native = self._native_ids.get(tid)
        if native is None:
            native = self._native_ids[tid] = number_in_namespace(tid)
        return [self._places.in_python(named) for named in python.frames(memory, native)]

    def _unwound(
        self, tid: int, memory: Memory, core: ctypes.CDLL, remote: ctypes.CDLL
    ) -> list[int]:
        """Return addresses of instructions, by libunwind, and where it ends by frame pointers."""
        if self._space == 0:
            accessors = ctypes.addressof(ctypes.c_char.in_dll(remote, "_UPT_accessors"))
            self._space = int(core._Ux86_64_create_addr_space(accessors, 0) or 0)
            core._Ux86_64_set_caching_policy(self._space, _CACHE_GLOBAL)
        helper = self._helpers.get(tid)
        if helper is None:
            helper = self._helpers[tid] = remote._UPT_create(tid)
        found: list[int] = []
        word = ctypes.c_uint64()
        if core._Ux86_64_init_remote(self._cursor, self._space, helper) < 0:
            return found
        known = core._Ux86_64_get_reg(self._cursor, _RBP, ctypes.addressof(word)) >= 0
        frame = int(word.value) if known else 0
        while len(found) < MAX_FRAMES:
            if core._Ux86_64_get_reg(self._cursor, _RIP, ctypes.addressof(word)) < 0:
                break
            address = int(word.value)
            if address == 0:
                break
            found.append(address)
            if core._Ux86_64_step(self._cursor) <= 0:
                break
        if found and len(found) < MAX_FRAMES:
            chain = self._chain(memory, frame)
            if found[-1] in chain:
                found += chain[chain.index(found[-1]) + 1 :]
        return found[:MAX_FRAMES]

    def _chained(self, tid: int, memory: Memory) -> list[int]:
        """Return addresses of instructions by the chain of frame pointers."""
        regs = (ctypes.c_uint64 * ptrace.USER_REGS)()
        try:
            ptrace.ptrace(ptrace.PTRACE_GETREGS, tid, 0, ctypes.addressof(regs))
        except OSError:
            return []
        return [int(regs[_REG_RIP]), *self._chain(memory, int(regs[_REG_RBP]))][:MAX_FRAMES]

    def _chain(self, memory: Memory, frame: int) -> list[int]:
        """Return the addresses in code that a chain of frame pointers leads to.

        frame: the first. The chain may change from one stack to another, but not come back.
        """
        found: list[int] = []
        seen: set[int] = set()
        while frame and frame not in seen and len(found) < MAX_FRAMES:
            seen.add(frame)
            raw = memory.read(frame, 16)
            if len(raw) < 16:
                break
            frame, address = struct.unpack("<2Q", raw)
            if self._at(address) is None:
                break
            found.append(address)
        return found

    def _frame(self, tid: int, address: int) -> str:
        text = self._texts.get(address)
        if text is None:
            code = self._at(address)
            if code is not None:
                offset = address - code.start + code.offset
                text = self._places.in_file(tid, code, offset)
            elif self._is_own_code(tid, address):
                text = self._places.in_own_code(tid, address, self._dump)
            else:
                text = place_text("[unknown]", address)
            self._texts[address] = text
        return text

    def _at(self, address: int) -> Code | None:
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._code[index].end:
            return self._code[index]
        return None

    def _is_own_code(self, tid: int, address: int) -> bool:
        """Return whether there is code at an address that is no file's."""
        region = address >> _OWN_CODE
        known = self._own_code.get(region)
        if known is None:
            known = self._own_code[region] = any(
                start <= address < end and b"x" in fields[1] for start, end, fields in _ranges(tid)
            )
        return known

    def _read_code(self, tid: int) -> None:
        for start, end, fields in _ranges(tid):
            if b"x" in fields[1] and len(fields) > 5:
                name = fields[5].decode("utf-8", "surrogateescape")
                if name in _KERNELS or not (fields[4] == b"0" or name.startswith(_WITHOUT_FILE)):
                    self._code.append(Code(start, end, int(fields[2], 16), int(fields[4]), name))
        self._starts = [code.start for code in self._code]
        dumps = [code for code in self._code if DUMP_NAME.match(code.name)]
        self._dump = dumps[-1] if dumps else None
        self._python = self._places.pythons.find(tid, self._code, self._python)


def _ranges(tid: int) -> Iterator[tuple[int, int, list[bytes]]]:
    """Yield the VMAs of a thread: start, end, fields of its line in maps."""
    for line in lines_of(read_proc(tid, "maps")):
        fields = line.split(None, 5)
        start, _, end = fields[0].partition(b"-")
        yield int(start, 16), int(end, 16), fields
