# SPDX-License-Identifier: GPL-2.0-or-later
"""The check that is named is the one: relaxed by what is said the call passes, by less it does not.

At each failed call the limit is set to what was said to be needed, and to one unit less; the call
is carried out again, and undone.
"""

from pathlib import Path

import pytest

from vmalab.calls.call import Call
from vmalab.explain.enomem.failed_calls import Enomem, RefusalKeeper, has_failed
from vmalab.explain.enomem.limit_checks import CHECKS, is_noted, searched_gap
from vmalab.linux.include.mm_flags import VM_SEALED
from vmalab.linux.include.uapi.resource import RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK
from vmalab.linux.mm import refusal as checks
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.linux.types.vma_iterator import vma_lookup
from vmalab.recording.format.meta import Meta
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay
from vmalab.targets.model.capture import Capture
from vmalab.targets.model.descriptors import carry_out

from ...small_recordings import Make
from .test_failed_calls import LIMITS, log_of

ROOT = Path(__file__).resolve().parents[3]
RECORDINGS = sorted(
    path.parent
    for folder in ("tests/data", "examples")
    for path in (ROOT / folder).glob("*/meta.json")
)
# Those of thousands of failed calls.
SLOW = ("commit-1", "limits-1")
TOP = 1 << 56
# How often each check was tried.
TRIED: dict[str, dict[str, int]] = {
    "commit-1": {"overcommit guess": 126},
    "dense-1": {"hole": 657},
    "dense-1-linux-6.1": {"hole": 657},
    "guards": {},
    "errno-1": {"hole": 342, "no gap": 1, "occupied": 1},
    "limits-1": {"hole": 183, "RLIMIT_DATA": 84, "RLIMIT_AS": 94},
    "mapcount-1": {"hole": 543, "map count": 54},
    "python-rlimit-as": {"RLIMIT_AS": 6},
    "sqlite3": {},
}
RLIMITS = {
    checks.REFUSED_AS: (RLIMIT_AS, 12),
    checks.REFUSED_DATA: (RLIMIT_DATA, 12),
    checks.REFUSED_MEMLOCK: (RLIMIT_MEMLOCK, 12),
    checks.REFUSED_BRK: (RLIMIT_DATA, 0),
}


class Relaxing(Observer):
    """Tries every limit that refused a call; `tried` counts them by check."""

    def __init__(self) -> None:
        self.keeper = RefusalKeeper(Enomem("", ""), Meta())
        self.tried: dict[str, int] = {}

    def began(self, state: ImageState, mm: Mm) -> None:
        self.keeper.began(state, mm)

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        self.keeper.began(state, mm)

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        self.keeper.before(state, mm, call)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        self.keeper.after(state, mm, call, reason)
        refused = mm.refusal
        check = CHECKS.get(refused.check)
        if not has_failed(call) or check is None or call.name in ("clone", "fork"):
            return
        if not is_noted(refused, call, -(call.ret or 0)):
            return
        task = mm.owner
        assert task is not None
        note = (refused.check, refused.needed, refused.limit, refused.at)
        if self.relax(task, mm, call, *note):
            self.tried[check.key] = self.tried.get(check.key, 0) + 1

    def relax(
        self, task: Task, mm: Mm, call: Call, check: int, needed: int, limit: int, at: int
    ) -> bool:
        """Tries both sides of a limit; whether it is one that can be set."""
        config = mm.config
        if check in RLIMITS:
            number, shift = RLIMITS[check]
            limits = task.signal.rlim_cur
            old = limits[number]
            for value in (needed, needed - 1):
                limits[number] = value << shift
                self.judge(task, mm, call, check, needed, value == needed)
            limits[number] = old
            return True
        fields = {
            checks.REFUSED_MAP_COUNT: "max_map_count",
            checks.REFUSED_COMMIT: "commit_limit",
            checks.REFUSED_GUESS: "total_ram_pages",
        }
        if check in fields:
            old = getattr(config, fields[check])
            rest = config.total_swap_pages if check == checks.REFUSED_GUESS else 0
            for value in (needed, needed - 1):
                setattr(config, fields[check], value - rest)
                self.judge(task, mm, call, check, needed, value == needed)
            setattr(config, fields[check], old)
            return True
        if check == checks.REFUSED_GAP and call.name == "mmap":
            longest = searched_gap(mm, mm.refusal)[1]
            for length in (longest, longest + 4096):
                other = Call(call.tid, call.name, (call.args[0], length, *call.args[2:]))
                self.judge(task, mm, other, check, length, length == longest)
            return True
        if check == checks.REFUSED_MIN_ADDR:
            old = config.dac_mmap_min_addr
            for value in (needed, needed + 1):
                config.dac_mmap_min_addr = value
                self.judge(task, mm, call, check, needed, value == needed)
            config.dac_mmap_min_addr = old
            return True
        return self.look(task, mm, call, check, at)

    def look(self, task: Task, mm: Mm, call: Call, check: int, at: int) -> bool:
        """Checks that are about what is mapped where."""
        vma = vma_lookup(mm, at)
        if check == checks.REFUSED_HOLE:
            assert vma is None, call
            return True
        if check == checks.REFUSED_OCCUPIED and call.name != "mremap":
            assert vma is not None, call
            return True
        if check == checks.REFUSED_SEAL:
            assert vma is not None
            assert vma.vm_flags & VM_SEALED, call
            vma.vm_flags &= ~VM_SEALED
            capture = Capture(mm, [(0, TOP)])
            refusal = mm.refusal
            refusal.clear()
            carry_out(task, call)
            assert (refusal.check, refusal.at) != (check, at), call
            capture.restore([(0, TOP)])
            again = vma_lookup(mm, at)
            assert again is not None
            again.vm_flags |= VM_SEALED
            capture.release()
            return True
        if check == checks.REFUSED_MDWE:
            mm.mdwe = 0
            self.judge(task, mm, call, check, 0, True)
            mm.mdwe = 1
            return True
        return False

    def judge(self, task: Task, mm: Mm, call: Call, check: int, needed: int, passes: bool) -> None:
        """Carries a call out again: it must pass the check, or must not; then undoes it."""
        capture = Capture(mm, [(0, TOP)])
        refusal = mm.refusal
        kept = (refusal.low, refusal.high)
        refusal.clear()
        result = carry_out(task, call)
        failed = result < 0 or (call.name == "brk" and result < call.args[0])
        same = failed and refusal.check == check
        if passes:
            # A range of several VMAs may take more of the same once it has what it took first.
            assert not same or refusal.needed > needed, (call, needed, refusal.needed)
        else:
            assert same, (call, check, needed, result, refusal.check)
        capture.restore([(0, TOP)])
        capture.release()
        refusal.low, refusal.high = kept


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] if path.name in SLOW else [], id=path.name)
        for path in RECORDINGS
    ],
)
def test_a_limit_passes_with_what_is_needed_and_not_with_less(path: Path) -> None:
    relaxing = Relaxing()
    report = Replay(RecordingFiles(str(path)), Options(observers=(relaxing,))).run()
    # What was tried has left nothing behind.
    assert (report.total.differ, report.total.adopted) == (0, 0)
    assert report.total.final_identical is not False
    assert relaxing.tried == TRIED[path.name]


TRIED_HERE = {
    "mlock": "RLIMIT_MEMLOCK",
    "MAP_LOCKED": "RLIMIT_MEMLOCK",
    "commit limit": "commit limit",
    "overcommit guess": "overcommit guess",
    "mmap_min_addr": "vm.mmap_min_addr",
    "MDWE": "MDWE",
    "seal": "seal",
    "both ends of a VMA": "map count",
    "mmap at the limit": "map count",
    "mremap looks ahead": "map count",
    "brk": "RLIMIT_DATA",
    "brk in the way": "occupied",
    "MAP_FIXED_NOREPLACE": "occupied",
    "hole": "hole",
}


@pytest.mark.parametrize("name", TRIED_HERE)
def test_each_kind_of_limit_likewise(make: Make, name: str) -> None:
    meta, calls, *_ = LIMITS[name]
    relaxing = Relaxing()
    path = make(log_of(*calls), None, meta=meta)
    report = Replay(RecordingFiles(str(path)), Options(observers=(relaxing,))).run()
    assert report.total.differ == 0
    assert relaxing.tried == {TRIED_HERE[name]: 1}
