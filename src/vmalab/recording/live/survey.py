# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks at all processes again and again, at little cost: what each uses of the limits on memory.

/proc/PID/status is read every time. The number of VMAs takes reading the whole map, so a map is
read where the process's size has changed; of the others some, in turn, for as long as that takes no
more than a small part of the time.
"""

import os
import re
import time
from dataclasses import dataclass
from typing import Final, final

from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK
from vmalab.patterns import pattern
from vmalab.recording.live.process_limits import parse_limits

# The part of the time that goes into maps of processes whose size has not changed, and into maps
# of all others.
_SPARE: Final = 0.004
_SHARE: Final = 0.012
# Rounds after which limits and rights are read again.
_LIMITS_EVERY: Final = 16
_BLOCK: Final = 1 << 17
_ESCAPED: Final = pattern(r"\\[n\\]")
_KEYS: Final = {
    b"Name": "comm",
    b"VmSize": "size",
    b"VmLck": "locked",
    b"VmData": "data",
    b"VmStk": "stack",
    b"CapEff": "caps",
}


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What one process uses. comm: its name, of any bytes. when: seconds of a clock.

    vmas: how many; counted: when that was. size, locked, data, stack: kB. rlimits: soft limits in
    bytes, by name. may_lock: it has CAP_IPC_LOCK.
    """

    pid: int
    comm: str
    when: float
    vmas: int
    counted: float
    size: int
    locked: int
    data: int
    stack: int
    rlimits: dict[str, int]
    may_lock: bool


@final
class _Known:
    """What is remembered of a process. cost: seconds that reading its map took last. stale: its
    size has changed since.
    """

    __slots__ = ("cost", "counted", "rlimits", "round", "size", "stale", "vmas")

    def __init__(self) -> None:
        self.vmas = 0
        self.counted = 0.0
        self.size = (0, 0, 0, 0)
        self.cost = 0.0
        self.stale = True
        self.rlimits: dict[str, int] = {}
        self.round = 0


@final
class Survey:
    """Rounds through the processes. proc: where they are; pids: the only ones to look at, if any.

    denied: processes whose map may not be read, in the last round.
    """

    def __init__(self, proc: str = "/proc", pids: frozenset[int] = frozenset()) -> None:
        self._proc = proc
        self._pids = pids
        self._known: dict[int, _Known] = {}
        self._rounds = 0
        self._last = 0.0
        # Where in the order of processes the maps of those that have not changed are read next.
        self._turn = 0
        self.denied = 0

    def round(self) -> list[ProcessUse]:
        """Look at all processes that have memory of their own. Errors: OSError: no /proc."""
        now = time.monotonic()
        waited = now - self._last if self._rounds else 0.0
        self._last = now
        self._rounds += 1
        self.denied = 0
        found: list[tuple[int, dict[str, str], bool]] = []
        for pid in self._all():
            status = self._status(pid)
            if status is None or "size" not in status:
                continue
            found.append((pid, status, self._is_due(pid, status)))
        self._count(found, waited)
        gone = self._known.keys() - {pid for pid, _, _ in found}
        for pid in gone:
            del self._known[pid]
        return [self._use(pid, status, now) for pid, status, _ in found if self._known[pid].counted]

    def _all(self) -> list[int]:
        if self._pids:
            return sorted(self._pids)
        return sorted(int(name) for name in os.listdir(self._proc) if name.isdecimal())

    def _status(self, pid: int) -> dict[str, str] | None:
        try:
            raw = self._read(pid, "status")
        except OSError:
            return None
        found = {}
        for line in raw.split(b"\n"):
            key, _, value = line.partition(b":")
            name = _KEYS.get(key)
            if name is not None:
                text = value.strip().removesuffix(b" kB").decode("utf-8", "surrogateescape")
                # Of a name, the kernel escapes newlines and backslashes.
                found[name] = _ESCAPED().sub(_unescaped, text)
        return found

    def _is_due(self, pid: int, status: dict[str, str]) -> bool:
        """Note how large a process is: whether its map must have changed."""
        known = self._known.get(pid)
        if known is None:
            known = self._known[pid] = _Known()
            known.round = self._rounds - 1 + pid % _LIMITS_EVERY
        size = _sizes(status)
        known.stale = known.stale or size != known.size
        known.size = size
        if not known.rlimits or (self._rounds - known.round) % _LIMITS_EVERY == 0:
            try:
                known.rlimits = parse_limits(self._read(pid, "limits").decode("ascii", "replace"))
            except OSError:
                known.rlimits = {}
        return known.stale

    # VMAs.

    def _count(self, found: list[tuple[int, dict[str, str], bool]], waited: float) -> None:
        """Count VMAs, as far as the time for that goes. waited: seconds since the last round."""
        first = self._rounds == 1
        due = [pid for pid, _, changed in found if changed]
        # Those that are cheap to look at first: a map of 65 530 VMAs has to wait for its turn.
        due.sort(key=lambda pid: (self._known[pid].counted != 0, self._known[pid].cost))
        budget = waited * _SHARE
        for pid in due:
            known = self._known[pid]
            overdue = known.counted and self._last - known.counted > known.cost / _SHARE
            if first or not known.counted or known.cost <= budget or overdue:
                budget -= self._count_one(pid)
        rest = [pid for pid, _, changed in found if not changed]
        budget = waited * _SPARE
        for step in range(len(rest)):
            if budget <= 0:
                break
            pid = rest[(self._turn + step) % len(rest)]
            known = self._known[pid]
            if known.cost <= budget or self._last - known.counted > known.cost / _SPARE:
                budget -= self._count_one(pid)
            self._turn += 1

    def _count_one(self, pid: int) -> float:
        """Count the VMAs of a process. Returns: the seconds that took."""
        known = self._known[pid]
        began = time.thread_time()
        try:
            known.vmas = self._vmas(pid)
            known.counted = self._last
            known.stale = False
        except OSError:
            self.denied += 1
        known.cost = time.thread_time() - began
        return known.cost

    def _vmas(self, pid: int) -> int:
        count = 0
        last = b""
        fd = os.open(f"{self._proc}/{pid}/maps", os.O_RDONLY | os.O_CLOEXEC)
        try:
            # A chunk of a map in /proc ends with a line.
            while part := os.read(fd, _BLOCK):
                count += part.count(b"\n")
                last = part
        finally:
            os.close(fd)
        if last.endswith(b"[vsyscall]\n"):
            count -= 1
        return count

    def _read(self, pid: int, name: str) -> bytes:
        fd = os.open(f"{self._proc}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(fd, 1 << 16)
        finally:
            os.close(fd)

    def _use(self, pid: int, status: dict[str, str], now: float) -> ProcessUse:
        known = self._known[pid]
        size, locked, data, stack = known.size
        caps = int(status.get("caps", "0"), 16)
        return ProcessUse(
            pid,
            status.get("comm", ""),
            now,
            known.vmas,
            known.counted,
            size,
            locked,
            data,
            stack,
            known.rlimits,
            caps >> CAP_IPC_LOCK & 1 != 0,
        )


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[0] == "\\n" else "\\"


def _sizes(status: dict[str, str]) -> tuple[int, int, int, int]:
    """Return the sizes of a process in kB: mapped, locked, data, stack."""
    size, locked, data, stack = (
        int(text) if (text := status.get(name, "0")).isdecimal() else 0
        for name in ("size", "locked", "data", "stack")
    )
    return size, locked, data, stack
