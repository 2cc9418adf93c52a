# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of each limit an address space has left, and when it will be gone at the present rate.

The rate is that of the later half of what was watched: growth there, divided by its calls, or its
seconds. When a limit will be gone is said where a trend holds: the quantity grew in each third of
that half, and does not have to go on for more than `HORIZON` times as long.
"""

from typing import Final, NamedTuple, final

from mypy_extensions import i64

from vmalab.explain.enomem.limit_checks import BYTES, PAGES, VMAS, largest_gap
from vmalab.explain.history.series import Sample, Series
from vmalab.linux.include.config import OVERCOMMIT_NEVER
from vmalab.linux.include.mm_flags import VM_GROWSDOWN
from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE
from vmalab.linux.include.uapi.capability import CAP_IPC_LOCK
from vmalab.linux.include.uapi.resource import (
    RLIM_INFINITY,
    RLIMIT_AS,
    RLIMIT_DATA,
    RLIMIT_MEMLOCK,
    RLIMIT_STACK,
)
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.recording.format.meta import Meta
from vmalab.recording.live.process_limits import ProcessLimits

# Memory calls below which there is no rate to speak of.
MIN_CALLS: Final = 8
# How many times as long as it was watched a trend is carried on.
HORIZON: Final = 1000

MAP_COUNT: Final = "map count"
_RLIMIT: Final = "RLIMIT_"
AS: Final = "RLIMIT_AS"
DATA: Final = "RLIMIT_DATA"
MEMLOCK: Final = "RLIMIT_MEMLOCK"
STACK: Final = "RLIMIT_STACK"
COMMIT: Final = "commit limit"
GAP: Final = "largest gap"


# VMAs, and pages: all, data, locked, of the stack, committed.
Quantities = tuple[int, int, int, int, int, int]


class Headroom(NamedTuple):
    """One limit: how much is used, and how fast that grows.

    used, most, limit: in `unit`; most: the most that was used while it was watched; limit None:
    there is none, or, without `limit_known`, none that is known. The largest gap has no limit:
    `used` is its length. per_call, per_second: growth, None where it is not known.
    grew: how much it grew where a trend holds, else 0.
    """

    name: str
    unit: str
    used: int
    most: int
    limit: int | None
    per_call: float | None = None
    per_second: float | None = None
    grew: int = 0
    limit_known: bool = True

    @property
    def left(self) -> int | None:
        """What is left, in `unit`; below 0 for one that was exceeded before it was lowered."""
        return None if self.limit is None else self.limit - self.used

    @property
    def calls_left(self) -> int | None:
        """Memory calls until it is gone at the present rate, None for never or not known."""
        return self._until(self.per_call)

    @property
    def seconds_left(self) -> int | None:
        """Seconds until it is gone at the present rate, None for never or not known."""
        return self._until(self.per_second)

    def _until(self, rate: float | None) -> int | None:
        """Return how many calls, or seconds, a limit lasts at a rate."""
        left = self.left
        if left is None or rate is None or rate <= 0 or left > self.grew * HORIZON:
            return None
        return max(0, int(left / rate))


class Rates(NamedTuple):
    """How quantities grow: in what they are counted, a memory call and a second."""

    per_call: float | None
    per_second: float | None


def _rates(first: Sample, last: Sample, grew: int) -> Rates:
    calls, seconds = last.index - first.index, last.time - first.time
    if calls < MIN_CALLS:
        return Rates(None, None)
    timed = first.time > 0 and seconds > 0
    return Rates(grew / calls, grew / seconds if timed else None)


def _growth(first: Sample, last: Sample) -> Quantities:
    """Return how each quantity grew between two moments."""
    return (
        last.vmas - first.vmas,
        last.total - first.total,
        last.data - first.data,
        last.locked - first.locked,
        last.stack - first.stack,
        last.committed - first.committed,
    )


def unstated(meta: Meta) -> frozenset[str]:
    """Return the limits of a bare log that nobody states."""
    rlimits = (AS, DATA, MEMLOCK, STACK)
    names = [name for name in rlimits if name.removeprefix(_RLIMIT) not in meta.rlimits]
    if "vm.overcommit_memory" not in meta.sysctl:
        names.append(COMMIT)
    return frozenset(names)


def headroom_of(
    mm: Mm, series: Series, most: Quantities, unknown: frozenset[str] = frozenset()
) -> list[Headroom]:
    """Return every limit of an address space in the model, and how its series says that it grows.

    most: the most that there was of each quantity. unknown: the limits that nothing tells.
    """
    samples = series.all()
    last = samples[-1]
    half = [sample for sample in samples if sample.index >= last.index // 2]
    first = half[0]
    config = mm.config
    never = config.overcommit_memory == OVERCOMMIT_NEVER
    privileged = mm.owner is not None and mm.owner.capable(CAP_IPC_LOCK)
    limits = {
        MAP_COUNT: config.max_map_count,
        AS: _pages(mm, RLIMIT_AS),
        DATA: _pages(mm, RLIMIT_DATA),
        MEMLOCK: None if privileged else _pages(mm, RLIMIT_MEMLOCK),
        STACK: _pages(mm, RLIMIT_STACK),
        COMMIT: config.commit_limit if never else None,
    }
    now = quantities(mm)
    grown = _growth(first, last)
    thirds = [half[len(half) * part // 3] for part in (1, 2)]
    parts = [_growth(*pair) for pair in zip([first, *thirds], [*thirds, last], strict=True)]
    found = []
    for index, (name, limit) in enumerate(limits.items()):
        rates = _rates(first, last, grown[index])
        unit = VMAS if name == MAP_COUNT else PAGES
        grew = grown[index] if all(part[index] > 0 for part in parts) else 0
        found.append(
            Headroom(
                name,
                unit,
                now[index],
                most[index],
                None if name in unknown else limit,
                rates.per_call,
                rates.per_second,
                grew,
                limit_known=name not in unknown,
            )
        )
    gap = largest_gap(mm, PAGE_SIZE, mm.mmap_base)[1]
    found.append(Headroom(GAP, BYTES, gap, gap, None))
    return found


def headroom_of_process(first: ProcessLimits, last: ProcessLimits) -> list[Headroom]:
    """Return every limit of a live process, from two moments.

    The same one twice: nothing of growth.
    """
    seconds = last.when - first.when
    never = last.sysctl["overcommit_memory"] == OVERCOMMIT_NEVER
    rows: list[tuple[str, str, int, int, int | None]] = [
        (MAP_COUNT, VMAS, first.vmas, last.vmas, last.sysctl["max_map_count"])
    ]
    for name, field in ((AS, "VmSize"), (DATA, "VmData"), (MEMLOCK, "VmLck"), (STACK, "VmStk")):
        limit = last.rlimits.get(name.removeprefix(_RLIMIT), RLIM_INFINITY)
        unlimited = limit == RLIM_INFINITY or (name == MEMLOCK and last.may_lock)
        used = (first.status.get(field, 0) >> 2, last.status.get(field, 0) >> 2)
        rows.append((name, PAGES, *used, None if unlimited else limit >> PAGE_SHIFT))
    commit = last.commit_limit >> 2 if never else None
    rows.append((COMMIT, PAGES, first.committed >> 2, last.committed >> 2, commit))
    found = []
    for name, unit, before, now, limit_now in rows:
        rate = (now - before) / seconds if seconds > 0 else None
        grew = max(now - before, 0)
        found.append(Headroom(name, unit, now, max(before, now), limit_now, None, rate, grew))
    gap = last.largest_gap
    found.append(Headroom(GAP, BYTES, gap, max(first.largest_gap, gap), None))
    return found


@final
class Standing:
    """What limits are about, at one time: VMAs, else pages. time: of the log, in seconds."""

    __slots__ = ("committed", "data", "locked", "stack", "time", "total", "vmas")

    def __init__(self) -> None:
        self.time = 0.0
        self.vmas: i64 = 0
        self.total: i64 = 0
        self.data: i64 = 0
        self.locked: i64 = 0
        self.stack: i64 = 0
        self.committed: i64 = 0

    def fill(self, mm: Mm, time: float) -> None:
        """Take down what there is now."""
        self.time = time
        self.vmas = mm.map_count
        self.total = mm.total_vm
        self.data = mm.data_vm
        self.locked = mm.locked_vm
        self.stack = stack_size(mm)
        self.committed = mm.kernel.committed_as

    def raise_to(self, other: "Standing") -> None:
        """Let each quantity be at least what it is at another time."""
        self.vmas = max(self.vmas, other.vmas)
        self.total = max(self.total, other.total)
        self.data = max(self.data, other.data)
        self.locked = max(self.locked, other.locked)
        self.stack = max(self.stack, other.stack)
        self.committed = max(self.committed, other.committed)

    def quantities(self) -> Quantities:
        """Return them without the time."""
        return (
            int(self.vmas),
            int(self.total),
            int(self.data),
            int(self.locked),
            int(self.stack),
            int(self.committed),
        )


def quantities(mm: Mm) -> Quantities:
    """Return what limits are about, now: VMAs, and pages: all, data, locked, stack, committed."""
    now = Standing()
    now.fill(mm, 0.0)
    return now.quantities()


def stack_size(mm: Mm) -> i64:
    """Return pages of the main thread's stack, 0 when there is none."""
    if mm.stack_vm == 0:
        return 0
    vma = vma_lookup(mm, mm.start_stack)
    if vma is None or vma.vm_flags & VM_GROWSDOWN == 0:
        return 0
    return (vma.vm_end - vma.vm_start) >> PAGE_SHIFT


def _pages(mm: Mm, resource: int) -> int | None:
    """Return a soft limit of the task in pages, None for none."""
    owner = mm.owner
    if owner is None or owner.signal.rlim_cur[resource] == RLIM_INFINITY:
        return None
    return owner.signal.rlim_cur[resource] >> PAGE_SHIFT
