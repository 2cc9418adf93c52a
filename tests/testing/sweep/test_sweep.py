# SPDX-License-Identifier: GPL-2.0-or-later
"""The sweep: it covers every call, finds no hole in the engine, and finds those that are made."""

import pytest

from vmalab.linux.arch.x86.entry.syscalls.table import SYSCALLS
from vmalab.linux.types.mm_types import Vma
from vmalab.testing import CheckingInternal, select, shipped_cases
from vmalab.testing.sweep.calltable import ARGUMENTS, LAYOUTS, Arguments
from vmalab.testing.sweep.sweep import SweepReport, sweep_call, sweep_cases
from vmalab.testing.sweep.sweep_exec import all_execs, sweep_exec

CASES = shipped_cases()
# The others are swept by `vmalab test --sweep`.
SUITES = ("oom", "syscalls", "split", "stack", "exec")


def test_every_call_of_the_table_has_arguments() -> None:
    assert sorted(ARGUMENTS) == sorted(SYSCALLS)


@pytest.mark.parametrize("suite", SUITES)
def test_the_sweep_of_a_suite_finds_no_hole(suite: str) -> None:
    report = sweep_cases(select(CASES, [f"{suite}/*"]))
    assert report.holes == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_sweep_of_the_calls_finds_no_hole(layout: str) -> None:
    report = SweepReport()
    for name in ("munmap", "mprotect", "mremap", "fork", "mlock", "brk", "io_setup"):
        for arguments in ARGUMENTS[name][:2]:
            sweep_call(report, layout, name, arguments, CheckingInternal)
    assert report.holes == []
    assert sum(report.sites.values()) > 30


@pytest.mark.parametrize(("name", "arguments"), all_execs())
def test_the_sweep_of_exec_finds_no_hole(name: str, arguments: Arguments) -> None:
    asked, holes = sweep_exec(name, arguments)
    assert holes == []
    assert len(asked) > 10


class KeepsLinks(CheckingInternal):
    """A clone that fails miscounts links."""

    def anon_vma_clone(self, dst: Vma, src: Vma) -> int:
        own = dst.anon_vma
        result = super().anon_vma_clone(dst, src)
        if result < 0 and own is not None:
            own.nr_links += 1
        return result


class NeverUnlinks(CheckingInternal):
    """Links are left where an operation is undone."""

    def mpol_put(self, policy: object) -> None:
        pass


@pytest.mark.parametrize(
    ("seam", "suite", "said"),
    [(KeepsLinks, "split", "counts 2 links"), (NeverUnlinks, "oom", "numa_policy")],
)
def test_a_hole_is_found(seam: type[CheckingInternal], suite: str, said: str) -> None:
    report = sweep_cases(select(CASES, [f"{suite}/*"]), seam)
    assert any(said in hole for hole in report.holes)
