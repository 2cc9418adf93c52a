# SPDX-License-Identifier: GPL-2.0-or-later
"""The scenarios' programs on this machine's kernel: with the problem, and with the cure."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NO_JEMALLOC = 3

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on this machine"),
]


def run(name: str, *options: str, fails: bool = False, **settings: str) -> tuple[list[int], str]:
    """Runs a scenario: the numbers of VMAs that it tells, and what it complains of."""
    done = subprocess.run(
        [SCENARIOS / "run", name, *options],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode == NO_JEMALLOC:
        pytest.skip(done.stderr.strip())
    if "MADV_GUARD_INSTALL: Invalid argument" in done.stderr:
        pytest.skip("this kernel has no MADV_GUARD_INSTALL (Linux 6.13)")
    assert (done.returncode != 0) == fails, done.stderr
    return [int(found) for found in re.findall(r": (\d+) VMAs$", done.stdout, re.M)], done.stderr


def grown(name: str, *options: str, **settings: str) -> int:
    """By how many VMAs a run ends with more than it began with."""
    counts, _ = run(name, *options, **settings)
    return counts[-1] - counts[0]


def test_a_stack_is_two_vmas_with_its_guard() -> None:
    # All stacks, and the heap that pthread_create needs.
    assert grown("thread-stacks") == 2 * 200 + 1
    assert grown("thread-stacks", "100") == 2 * 100 + 1


def test_stacks_without_guards_are_one() -> None:
    assert grown("thread-stacks", "200", "none") == 2


def test_stacks_with_guards_by_madvise_are_one() -> None:
    assert grown("thread-stacks", "200", "madvise") == 2


def test_advice_splits_and_collapsing_does_not() -> None:
    assert grown("thp-advice") == 191
    assert grown("thp-advice", "100", "collapse") == 0


def test_moved_pieces_stay_apart_and_copies_do_not() -> None:
    assert grown("mremap-pieces") == 500
    assert grown("mremap-pieces", "500", "copy") == 1


def test_a_worker_makes_as_many_again_as_the_process_alone() -> None:
    assert grown("fork-write") == 599
    assert grown("fork-write", "600", "alone") == 299


def test_an_allocator_that_unmaps_leaves_a_hole_for_every_block() -> None:
    assert grown("allocator-unmap") == pytest.approx(499, abs=4)
    assert grown("allocator-unmap", RETAIN="true") == pytest.approx(3, abs=2)


def test_the_kernel_refuses_to_move_more_pieces_where_foretold() -> None:
    limit = int(Path("/proc/sys/vm/max_map_count").read_text())
    if limit != 65530:
        pytest.skip(f"vm.max_map_count is {limit} here, not the usual 65530")
    counts, complaint = run("mremap-pieces", "70000", fails=True)
    assert len(counts) == 1
    # As test_culprits.py foretells from a recording of 500 blocks, for a program that begins with
    # 23 VMAs: two for each block.
    blocks = 32751 - (counts[0] - 23 + 1) // 2
    assert complaint == f"mremap refused after {blocks} blocks: Cannot allocate memory\n"


@pytest.mark.parametrize(
    ("name", "size", "changes", "cured"),
    [
        ("thread-stacks", "60", ["--guard-regions"], "madvise"),
        (
            "thp-advice",
            "60",
            ["--drop", "madvise(MADV_HUGEPAGE)", "--drop", "madvise(MADV_NOHUGEPAGE)"],
            "collapse",
        ),
        ("mremap-pieces", "90", ["--drop", "mremap"], "copy"),
    ],
)
def test_what_is_foretold_from_a_recording_made_here_is_what_the_kernel_does(
    name: str, size: str, changes: list[str], cured: str, tmp_path: Path
) -> None:
    program = subprocess.run(
        [SCENARIOS / "run", "--build", name], capture_output=True, text=True, check=True
    ).stdout.split()
    recording = tmp_path / "recording"
    made = vmalab("record", "-o", str(recording), "--", *program, size)
    if made.returncode == 2:
        pytest.skip(f"this machine does not let us record: {made.stderr.strip()}")
    recorded = int(re.findall(r": (\d+) VMAs$", made.stdout, re.M)[-1])
    answer = json.loads(vmalab("whatif", *changes, "--json", str(recording)).stdout)
    (image,) = answer["images"]
    counts, _ = run(name, size, cured)
    assert image["recorded"]["vmas_end"] == recorded
    assert image["with_changes"]["vmas_end"] == counts[-1] < recorded


def vmalab(*words: str) -> subprocess.CompletedProcess[str]:
    """Runs the command."""
    command = [sys.executable, "-m", "vmalab.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)
