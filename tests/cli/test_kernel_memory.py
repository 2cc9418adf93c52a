# SPDX-License-Identifier: GPL-2.0-or-later
"""A process in a kernel's memory is explained with all that decides a merge."""

import pytest
from click.testing import CliRunner

from vmalab.calls.errors import ReadError, UsageError
from vmalab.cli.kernel_memory import processes_in, why_in_memory
from vmalab.cli.main import vmalab as cli

from ..kept_memory import KERNELS, KeptMemory, kept


@pytest.mark.parametrize("kernel", KERNELS)
def test_child_is_kept_apart_by_its_anon_vmas(kernel: str) -> None:
    pid = int(list(kept(kernel)["smaps"])[1])
    found = why_in_memory(KeptMemory(kernel), pid, None, 0x10020000)
    assert (found.kernel, found.why.complete) == (kernel, True)
    totals = {total.kind: total.boundaries for total in found.why.kinds}
    assert totals["policy"] == 2
    assert totals["anon_vma"] == 10
    assert found.place is not None
    assert [meeting.failing for meeting in found.place.meetings] == [
        ("policy", "anon_vma"),
        ("anon_vma",),
    ]


@pytest.mark.parametrize("kernel", KERNELS)
def test_parent_has_one_anon_vma_and_a_registration(kernel: str) -> None:
    pid = int(next(iter(kept(kernel)["smaps"])))
    why = why_in_memory(KeptMemory(kernel), pid, None, None).why
    assert {group.text for group in why.groups} >= {"userfaultfd", "policy", "flags wr", "flags dc"}


def test_processes_with_the_most_vmas_come_first() -> None:
    found = processes_in(KeptMemory("7.3"))
    assert [one.vmas for one in found.processes] == [25, 24]


def test_unknown_process_and_kernel_are_errors() -> None:
    with pytest.raises(ReadError, match="no process 9"):
        why_in_memory(KeptMemory("7.3"), 9, None, None)
    with pytest.raises(UsageError, match=r"2\.4"):
        why_in_memory(KeptMemory("7.3"), 1, "2.4", None)


def test_pid_of_a_kernels_memory_is_for_nothing_else() -> None:
    result = CliRunner().invoke(cli, ["why", "1", "--pid", "2"])
    assert result.exit_code == 2
    assert "--pid is for a kernel's memory" in result.output
