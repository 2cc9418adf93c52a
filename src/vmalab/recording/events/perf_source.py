# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's own events of recorded processes, where BPF programs cannot be loaded.

Each thread of a process has a perf event a tracepoint and CPU, which its children inherit; those of
one CPU write to one ring.
"""

import fcntl
import os
import resource
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final, final

from vmalab.recording.events.ring import (
    PERF_FORMAT_LOST,
    PERF_SAMPLE_RAW,
    PERF_SAMPLE_REGS_USER,
    PERF_SAMPLE_STACK_USER,
    PERF_TYPE_SOFTWARE,
    USE_CLOCKID,
    Ring,
    attr,
    online_cpus,
    perf_event_open,
)
from vmalab.recording.events.source import (
    RING_SIZE,
    STACKS_RING_SIZE,
    CannotWatch,
    check_process_numbers,
)
from vmalab.recording.events.tracepoints import Tracepoint, filters, read_tracepoints
from vmalab.recording.tracer.proc_files import thread_state, threads_of

_PERF_TYPE_TRACEPOINT: Final = 2
_PERF_COUNT_SW_DUMMY: Final = 9
_PERF_SAMPLE_TID: Final = 1 << 1
_PERF_SAMPLE_TIME: Final = 1 << 2
_INHERIT: Final = 1 << 1
_MMAP: Final = 1 << 8
_MMAP_DATA: Final = 1 << 17
_SAMPLE_ID_ALL: Final = 1 << 18
_MMAP2: Final = 1 << 23
_IOC_DISABLE: Final = 0x2401
_IOC_SET_FILTER: Final = 0x40082406
# Registers of struct perf_regs that `layout.STACK_REG_NAMES` names, and bytes of a stack.
_STACK: Final = (1 << 1 | 7 << 6 | 15 << 20, 16376)
_ENOMEM_FILTER: Final = "ret==-12"


@final
class PerfSource:
    """Events that are open, and the rings they write to."""

    # Whether the first and last maps of programs are among the events.
    has_maps: Final = False

    def __init__(self, ring_size: int = RING_SIZE, *, stacks: bool = False) -> None:
        """stacks: whether the stack of each call is wanted. Errors: CannotWatch."""
        self.has_stacks = stacks
        check_process_numbers()
        self.rings: list[Ring] = []
        self._fds: list[int] = []
        self._ring_size = max(ring_size, STACKS_RING_SIZE) if stacks else ring_size
        self._filters = filters()
        self._failures: list[int] = []
        self._followed: list[int] = []
        try:
            self.tracepoints: dict[str, Tracepoint] = read_tracepoints()
            # One event to see whether they are allowed: mmap_lock's is for those who may trace.
            os.close(self._event("lock", os.getpid(), online_cpus()[0], -1))
        except OSError as error:
            raise CannotWatch(_why_not(error)) from None
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def _event(self, purpose: str, tid: int, cpu: int, ring: int) -> int:
        """Return a new event of a thread that its children inherit. Errors: OSError."""
        sample = _PERF_SAMPLE_TID | _PERF_SAMPLE_TIME | PERF_SAMPLE_RAW
        flags, user = _INHERIT | USE_CLOCKID, (0, 0)
        if purpose == "exit":
            # With this one also come the files that are mapped.
            flags |= _MMAP | _MMAP_DATA | _MMAP2 | _SAMPLE_ID_ALL
        if purpose == "entry" and self.has_stacks:
            sample |= PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER
            user = _STACK
        number = self.tracepoints[purpose][0]
        raw = attr(
            _PERF_TYPE_TRACEPOINT,
            number,
            sample,
            flags,
            PERF_FORMAT_LOST,
            self._ring_size // 4,
            user,
        )
        fd = perf_event_open(raw, tid, cpu, ring)
        if purpose in self._filters:
            try:
                fcntl.ioctl(fd, _IOC_SET_FILTER, self._filters[purpose].encode() + b"\0")
            except OSError:
                os.close(fd)
                raise
        return fd

    def follow(self, pid: int) -> None:
        """Record a process from the next look on, with all threads and children that it makes."""
        self._followed.append(pid)

    def look(self, pid: int, drain: Callable[[], None]) -> None:
        """Begin to record a process that is held. Errors: OSError."""
        drain()
        if pid not in self._followed or self._fds:
            return
        for cpu in online_cpus():
            ring = -1
            for tid in threads_of(pid):
                if ring < 0:
                    ring = self._new_ring(tid, cpu)
                for purpose in self.tracepoints:
                    self._fds.append(self._event(purpose, tid, cpu, ring))
                self._failures.append(self._failure(tid, cpu))

    def _new_ring(self, tid: int, cpu: int) -> int:
        raw = attr(
            PERF_TYPE_SOFTWARE,
            _PERF_COUNT_SW_DUMMY,
            _PERF_SAMPLE_TID | _PERF_SAMPLE_TIME | PERF_SAMPLE_RAW,
            _INHERIT | USE_CLOCKID,
            PERF_FORMAT_LOST,
            self._ring_size // 4,
        )
        ring = Ring(perf_event_open(raw, tid, cpu), cpu, self._ring_size)
        self.rings.append(ring)
        return ring.fd

    def _failure(self, tid: int, cpu: int) -> int:
        """Return an event that counts the calls that fail with ENOMEM."""
        number = self.tracepoints["exit"][0]
        fd = perf_event_open(attr(_PERF_TYPE_TRACEPOINT, number, 0, _INHERIT, 0, 0), tid, cpu)
        fcntl.ioctl(fd, _IOC_SET_FILTER, _ENOMEM_FILTER.encode() + b"\0")
        return fd

    def processes(self) -> list[int]:
        """Return the processes that are recorded now: those that live, and their children."""
        found = [pid for pid in self._followed if _lives(pid)]
        for pid in found:
            for tid in threads_of(pid):
                with suppress(OSError), open(f"/proc/{pid}/task/{tid}/children") as file:
                    children = [int(word) for word in file.read().split()]
                    found += [one for one in children if one not in found and _lives(one)]
        return found

    @property
    def failed(self) -> bool:
        """Whether a recorded call has failed with ENOMEM."""
        return any(struct.unpack("<Q", os.read(fd, 8))[0] for fd in self._failures)

    @property
    def idle(self) -> bool:
        """Whether no process is left that is recorded."""
        return not self.processes()

    def drain(self, take: Callable[[int, bytes], None]) -> None:
        """Hand over what the rings hold: called with the CPU and the records."""
        for ring in self.rings:
            raw = ring.take()
            if raw:
                take(ring.cpu, raw)

    def lost(self) -> int:
        """Return how many records found no room so far."""
        # What inherited events lose is counted where they come from.
        return sum(struct.unpack("<2Q", os.read(fd, 16))[1] for fd in self._fds)

    def stop(self) -> None:
        """Write nothing more; what the rings hold stays, and what was lost is known."""
        for fd in self._fds:
            with suppress(OSError):
                fcntl.ioctl(fd, _IOC_DISABLE, 0)

    def close(self) -> None:
        """Take everything down."""
        for fd in self._fds + self._failures:
            os.close(fd)
        self._fds.clear()
        self._failures.clear()
        for ring in self.rings:
            ring.close()
        self.rings.clear()


def _lives(pid: int) -> bool:
    return thread_state(pid) not in ("", "Z", "X")


def _why_not(error: OSError) -> str:
    """Return what is missing, as one sentence."""
    if isinstance(error, FileNotFoundError):
        return "this kernel has not the tracepoints that are needed, or tracefs is not mounted"
    if isinstance(error, PermissionError):
        return (
            "no right to the kernel's tracepoints: CAP_PERFMON, and access to /sys/kernel/tracing"
        )
    return f"the kernel refuses perf events: {error.strerror}"
