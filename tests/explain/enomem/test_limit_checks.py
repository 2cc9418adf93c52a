# SPDX-License-Identifier: GPL-2.0-or-later
"""Explaining a refusal in words only reads what the engine noted."""

from vmalab.calls.call import U64_MAX, Call
from vmalab.explain.enomem.limit_checks import CHECKS, verdict_of
from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.targets.model.model import ModelTarget

BASE = 0x10000000
FIXED = 0x32


def test_explaining_twice_gives_the_same_figures() -> None:
    target = ModelTarget(Meta(sysctl={"vm.max_map_count": 1}), "6.18")
    assert target.execute(1, MetaImage(), None) == ""
    made = Call(1, "mmap", (BASE, 0x5000, 3, FIXED, U64_MAX, 0))
    assert target.apply(made) == BASE
    middle = Call(1, "mprotect", (BASE + 0x2000, 0x1000, 1, 0, 0, 0))
    assert target.apply(middle) == -ENOMEM
    mm = target.mm(1)
    assert mm is not None
    refusal = target.machine.kernel.refusal
    noted = refusal.needed
    first = verdict_of(mm, refusal, CHECKS[refusal.check], middle)
    assert first.needed == noted + 1
    assert verdict_of(mm, refusal, CHECKS[refusal.check], middle) == first
    assert refusal.needed == noted
