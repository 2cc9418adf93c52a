# SPDX-License-Identifier: GPL-2.0-or-later
"""What the programs share: finding the state of a thread, records, reading memory of the kernel."""

from dataclasses import dataclass
from typing import Final, final

from vmalab.recording.events import layout as at
from vmalab.recording.events.bpf import functions
from vmalab.recording.events.bpf.assembler import FP, R0, R1, R2, R3, R4, R5, R6, R8, Assembler
from vmalab.recording.events.bpf.btf import KIND_TYPEDEF, Btf

# Places on the stack: a key, another one or a first index, an iterator, a pointer that was read, a
# task, a count, process and thread, threads left; and a record.
SLOT_KEY: Final = -8
SLOT_ONE: Final = -16
SLOT_ITERATOR: Final = -24
SLOT_POINTER: Final = -32
SLOT_TASK: Final = -40
SLOT_COUNT: Final = -48
SLOT_IDS: Final = -56
SLOT_LIVE: Final = -64
RECORD: Final = -128


@dataclass(frozen=True, slots=True)
class BpfMaps:
    """Descriptors of the maps that programs share.

    calls: what is wanted of each call. groups: processes that are recorded. tasks: their threads.
    zero: an empty thread. output: the rings. stacks: room to copy a stack to, None where none are
    wanted; stack_rate: how many a second of each CPU, 0 for all.
    """

    calls: int
    groups: int
    tasks: int
    zero: int
    output: int
    stacks: int | None = None
    stack_rate: int = 0


@dataclass(frozen=True, slots=True)
class BpfProgram:
    """A program that can be loaded. target: number in BTF of what it is attached to."""

    name: str
    code: bytes
    target: int


@final
class Writer(Assembler):
    """One program in the making, for one kernel."""

    def __init__(self, btf: Btf, maps: BpfMaps) -> None:
        super().__init__()
        self.btf: Final = btf
        self.maps: Final = maps

    def program(self, name: str, tracepoint: str) -> BpfProgram:
        """Return the program, which runs at a tracepoint. Errors: NoSuchType."""
        target = self.btf.number(KIND_TYPEDEF, f"btf_trace_{tracepoint}")
        return BpfProgram(name[:15], self.end(), target)

    def lookup(self, fd: int, key: int, missing: str) -> None:
        """R0 = the entry of a map for a key on the stack, or go to a label."""
        self.map(R1, fd)
        self.copy(R2, FP)
        self.op("add", R2, key)
        self.call(functions.LOOKUP)
        self.jump_if(R0, "==", 0, missing)

    def start(self) -> None:
        """R6 = the context."""
        self.copy(R6, R1)

    def end(self) -> bytes:
        """The label "out" is here: the program ends. Returns: the whole program."""
        self.label("out")
        self.mov(R0, 0)
        self.exit()
        return self.finish()

    def find(self, missing: str) -> None:
        """R8 = the state of the current thread, or go to a label. R9: kept, R7: kept."""
        new, found = self.fresh("new"), self.fresh("found")
        self.call(functions.PID_TGID)
        self.store(FP, SLOT_IDS, R0)
        self.set(FP, SLOT_KEY, 0)
        self.store(FP, SLOT_KEY, R0, 4)
        self.lookup(self.maps.tasks, SLOT_KEY, new)
        self.copy(R8, R0)
        self.jump(found)
        self.label(new)
        self.load(R1, FP, SLOT_IDS)
        self.op("rsh", R1, 32)
        self.set(FP, SLOT_ONE, 0)
        self.store(FP, SLOT_ONE, R1, 4)
        self.lookup(self.maps.groups, SLOT_ONE, missing)
        self.make(missing)
        self.lookup(self.maps.tasks, SLOT_KEY, missing)
        self.copy(R8, R0)
        self.label(found)

    def find_known(self) -> None:
        """R8 = the state of the current thread, if it has one by now."""
        self.call(functions.PID_TGID)
        self.store(FP, SLOT_IDS, R0)
        self.set(FP, SLOT_KEY, 0)
        self.store(FP, SLOT_KEY, R0, 4)
        self.lookup(self.maps.tasks, SLOT_KEY, "out")
        self.copy(R8, R0)

    def under_way(self) -> None:
        """Go on only in a call that is recorded."""
        self.load(R1, R8, at.FLAGS, 4)
        self.op("and", R1, at.UNDER_WAY)
        self.jump_if(R1, "==", 0, "out")

    def in_own_memory(self, argument: int) -> None:
        """Go on only when an argument of the tracepoint is the thread's own address space."""
        self.call(functions.CURRENT)
        self.load(R1, R0, self.btf.offset("task_struct", "mm"))
        self.load(R2, R6, argument)
        self.jump_if_reg(R1, "!=", R2, "out")

    def make(self, missing: str) -> None:
        """Make an empty state for the thread whose number is the key on the stack."""
        self.set(FP, SLOT_ONE, 0)
        self.lookup(self.maps.zero, SLOT_ONE, missing)
        self.copy(R3, R0)
        self.map(R1, self.maps.tasks)
        self.copy(R2, FP)
        self.op("add", R2, SLOT_KEY)
        self.mov(R4, 0)
        self.call(functions.UPDATE)

    def head(self, base: int, offset: int, kind: int) -> None:
        """Begin a record of the current thread, now. R0: the time."""
        self.mark(base, offset, kind)
        self.call(functions.KTIME)
        self.store(base, offset + at.TIME, R0)

    def mark(self, base: int, offset: int, kind: int) -> None:
        """Begin a record of the current thread, but for its time."""
        self.set(base, offset + at.KIND, kind, 4)
        self.load(R1, FP, SLOT_IDS)
        self.store(base, offset + at.TID, R1, 4)
        self.op("rsh", R1, 32)
        self.store(base, offset + at.TGID, R1, 4)

    def output(self, base: int, offset: int, size: int) -> None:
        """Write out a record."""
        self.mov(R5, size)
        self.output_sized(base, offset)

    def output_sized(self, base: int, offset: int) -> None:
        """Write out a record of R5 bytes."""
        self.copy(R4, base)
        self.op("add", R4, offset)
        self.copy(R1, R6)
        self.map(R2, self.maps.output)
        self.number(R3, 0xFFFFFFFF)
        self.call(functions.OUTPUT)

    def read(self, dst: int, offset: int, size: int, source: int, by: int) -> None:
        """Read size bytes of memory at an address in a register. R0: 0, or an error."""
        self.copy(R3, source)
        self.copy(R1, dst)
        self.op("add", R1, offset)
        self.mov(R2, size)
        self.call(by)

    def follow(self, register: int, name: str, path: str) -> None:
        """register = the pointer that a struct, at an address in it, has as a member."""
        self.op("add", register, self.btf.offset(name, path))
        self.read(FP, SLOT_POINTER, 8, register, functions.READ_KERNEL)
        self.load(register, FP, SLOT_POINTER)

    def forget(self, fd: int) -> None:
        """Take the key on the stack out of a map."""
        self.map(R1, fd)
        self.copy(R2, FP)
        self.op("add", R2, SLOT_KEY)
        self.call(functions.DELETE)
