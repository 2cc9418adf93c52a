# SPDX-License-Identifier: GPL-2.0-or-later
"""The events of recorded processes, as our BPF programs write them: set up, fed, and taken down."""

import ctypes
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final, final

from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.recording.events import layout, wanted
from vmalab.recording.events.bpf import system
from vmalab.recording.events.bpf.btf import Btf, NoSuchType
from vmalab.recording.events.programs.every import every_program
from vmalab.recording.events.programs.maps import look
from vmalab.recording.events.programs.writer import BpfMaps, BpfProgram, Writer
from vmalab.recording.events.ring import Ring, online_cpus, output_ring
from vmalab.recording.tracer.proc_files import status_of

# Bytes of a ring, unless another size is asked for.
RING_SIZE: Final = 4 << 20
# The same where each call comes with a copy of its stack.
STACKS_RING_SIZE: Final = 32 << 20
_MOST_TASKS: Final = 1 << 16
_GETPGID: Final = NUMBER_OF_SYSCALL["getpgid"]
_KEY: Final = struct.Struct("<I")
_CAP_IPC_LOCK: Final = 14
_CAP_SYS_ADMIN: Final = 21
_NEEDED: Final = {"CAP_PERFMON": 38, "CAP_BPF": 39}
# The inode of /proc/self/ns/pid in the first namespace of process numbers.
_FIRST_PID_NAMESPACE: Final = 0xEFFFFFFC


class CannotWatch(Exception):
    """This kernel, or this user, cannot record by events. Its text says what is missing."""


def check_process_numbers() -> None:
    """Errors: CannotWatch: the numbers in the kernel's events are not those that are seen here."""
    if os.stat("/proc/self/ns/pid").st_ino != _FIRST_PID_NAMESPACE:
        raise CannotWatch("vmalab runs in a container with process numbers of its own")


@final
class Source:
    """Programs that are attached, the maps that they share, and the rings they write to."""

    # Whether the first and last maps of programs are among the events.
    has_maps: Final = True

    def __init__(
        self, ring_size: int = RING_SIZE, *, stacks: bool = False, stack_rate: int = 0
    ) -> None:
        """stacks: whether the stack of each call is wanted; stack_rate: at most so many a second of
        each CPU, 0 for all. Errors: CannotWatch.
        """
        self.has_stacks = stacks
        self._fds: list[int] = []
        self.rings: list[Ring] = []
        try:
            self._set_up(
                max(ring_size, STACKS_RING_SIZE) if stacks else ring_size, stacks, stack_rate
            )
        except (OSError, NoSuchType, system.BpfRefused) as error:
            self.close()
            raise CannotWatch(_why_not(error)) from None
        except BaseException:
            self.close()
            raise

    def _own(self, fd: int) -> int:
        self._fds.append(fd)
        return fd

    def _set_up(self, ring_size: int, stacks: bool, stack_rate: int) -> None:
        check_process_numbers()
        cpus = online_cpus()
        create = system.create_map
        self.maps = BpfMaps(
            self._own(create(system.MAP_ARRAY, 4, wanted.ROW_SIZE, wanted.ROWS)),
            self._own(create(system.MAP_HASH, 4, 4, _MOST_TASKS, system.MAP_NO_PREALLOC)),
            self._own(
                create(system.MAP_HASH, 4, layout.STATE_SIZE, _MOST_TASKS, system.MAP_NO_PREALLOC)
            ),
            self._own(create(system.MAP_ARRAY, 4, layout.STATE_SIZE, layout.NR_ZERO)),
            self._own(create(system.MAP_PERF_EVENT_ARRAY, 4, 4, max(cpus) + 1)),
            self._own(create(system.MAP_ARRAY, 4, layout.STACK_SIZE, max(cpus) + 1))
            if stacks
            else None,
            stack_rate,
        )
        for number, row in wanted.rows(stacks=stacks).items():
            system.update(self.maps.calls, _KEY.pack(number), row)
        for cpu in cpus:
            ring = output_ring(cpu, ring_size)
            self.rings.append(ring)
            system.update(self.maps.output, _KEY.pack(cpu), _KEY.pack(ring.fd))
        btf = Btf.of_kernel()
        loaded = [self._loaded(one) for one in every_program(btf, self.maps)]
        self._look = self._loaded(look(Writer(btf, self.maps)))
        for program in loaded:
            self._own(system.attach(program))

    def _loaded(self, program: BpfProgram) -> int:
        return self._own(system.load_program(program.name, program.code, program.target))

    def follow(self, pid: int) -> None:
        """Record a process from now on, with all threads and children that it makes."""
        system.update(self.maps.groups, _KEY.pack(pid), _KEY.pack(1))

    def processes(self) -> list[int]:
        """Return the processes that are recorded now."""
        return [_KEY.unpack(key)[0] for key in system.keys(self.maps.groups, _KEY.size)]

    def look(self, pid: int, drain: Callable[[], None]) -> None:
        """Have the VMAs of a process written out; it should be held. drain: makes room for more."""
        start = 0
        # A second program at the entry of calls makes all calls slower while it is there.
        attached = system.attach(self._look)
        try:
            while True:
                drain()
                ctypes.CDLL(None).syscall(_GETPGID, pid, ctypes.c_ulong(start))
                state = self._state(layout.ZERO_LOOK)
                end = int.from_bytes(state[layout.FAULT : layout.FAULT + 8], "little")
                if end <= start:
                    break
                start = end
        finally:
            os.close(attached)
        drain()

    def _state(self, index: int) -> bytes:
        return system.lookup(self.maps.zero, _KEY.pack(index), layout.STATE_SIZE)

    @property
    def failed(self) -> bool:
        """Whether a recorded call has failed with ENOMEM."""
        return any(self._state(layout.ZERO_FAILED)[:8])

    @property
    def idle(self) -> bool:
        """Whether no process is left that is recorded."""
        return system.is_empty(self.maps.groups, 4)

    def drain(self, take: Callable[[int, bytes], None]) -> None:
        """Hand over what the rings hold: called with the CPU and the records."""
        for ring in self.rings:
            raw = ring.take()
            if raw:
                take(ring.cpu, raw)

    def lost(self) -> int:
        """Return how many records found no room so far."""
        return sum(ring.lost() for ring in self.rings)

    def stop(self) -> None:
        """Write nothing more; what the rings hold stays."""
        for fd in reversed(self._fds):
            with suppress(OSError):
                os.close(fd)
        self._fds.clear()

    def close(self) -> None:
        """Take everything down."""
        self.stop()
        for ring in self.rings:
            ring.close()
        self.rings.clear()


def missing_rights(effective: str) -> list[str]:
    """Return the names of the rights that are missing; effective: CapEff, in hexadecimal."""
    held = int(effective, 16)
    enough = held >> _CAP_SYS_ADMIN & 1
    return [name for name, bit in _NEEDED.items() if not (held >> bit | enough) & 1] + (
        [] if held >> _CAP_IPC_LOCK & 1 else ["CAP_IPC_LOCK"]
    )


def _why_not(error: Exception) -> str:
    """Return what is missing, as one sentence."""
    if isinstance(error, PermissionError):
        missing = missing_rights(status_of(os.getpid()).get("CapEff", "0"))
        if missing:
            return f"missing rights: {', '.join(missing)} (root has all)"
        return "this machine does not let root load BPF programs (a container, or a lockdown)"
    if isinstance(error, NoSuchType):
        return f"this kernel lacks something: {error}"
    if isinstance(error, FileNotFoundError):
        return "this kernel has no /sys/kernel/btf/vmlinux (CONFIG_DEBUG_INFO_BTF)"
    if isinstance(error, OSError):
        return f"the kernel refuses BPF programs or perf events: {error.strerror}"
    return f"this kernel refuses a program: {error}"
