# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands name the true culprit of each scenario, count it, and predict what the change does.

What the changed programs really have is in test_live.py; the numbers here are the same.
"""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from vmalab.cli.blame import blame
from vmalab.cli.enomem import enomem
from vmalab.cli.replay import replay
from vmalab.cli.whatif import whatif
from vmalab.cli.why import why

SCENARIOS = Path(__file__).parents[2] / "scenarios"
NAMES = ("allocator-unmap", "fork-write", "mremap-pieces", "thp-advice", "thread-stacks")
# The forked worker.
IMAGES = SCENARIOS / "fork-write/recording/images"
WORKER = ("--image", next(path.name for path in IMAGES.iterdir() if path.name.endswith(".0")))


def found(command: click.Command, name: str, *options: str) -> Any:
    """What a command says of a scenario's recording, as JSON."""
    words = [*options, "--json", str(SCENARIOS / name / "recording")]
    done = CliRunner().invoke(command, words)
    assert done.exit_code in (0, 1), done.output
    return json.loads(done.stdout)


def top_group(name: str, *options: str) -> tuple[list[tuple[str, str]], int, int]:
    """What fails at the boundaries that cost most, at how many, and how many VMAs they cost."""
    group = found(why, name, "--at", "end", *options)["groups"][0]
    causes = [(cause["kind"], cause["detail"]) for cause in group["causes"]]
    return causes, group["boundaries"], group["saves"]


def top_cause(name: str, *options: str) -> tuple[str, int]:
    """What made the most VMAs, and how many."""
    share = found(blame, name, "--at", "end", *options)["shares"]["site"][0]
    return share["cause"], share["vmas"]


def changed(name: str, *options: str) -> tuple[int, int]:
    """The VMAs at the end, recorded and with changes, of the image that has the most."""
    images = found(whatif, name, *options)["images"]
    image = max(images, key=lambda image: image["recorded"]["vmas_end"])
    return image["recorded"]["vmas_end"], image["with_changes"]["vmas_end"]


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_is_replayed_exactly(name: str) -> None:
    figures = found(replay, name)
    assert (figures["differ"], figures["adopted"], figures["final_identical"]) == (0, 0, True)
    assert figures["predicted"] == figures["memory_calls"]


def test_stacks_are_kept_apart_by_their_guards() -> None:
    assert top_group("thread-stacks") == ([("flags", "rd wr ac")], 399, 399)
    assert top_cause("thread-stacks") == ("stacks: main, mprotect(PROT_READ|PROT_WRITE)", 399)


def test_stacks_with_guard_regions_are_one() -> None:
    # From 23 before the first thread, the heap and one VMA of stacks: as the program has it.
    assert changed("thread-stacks", "--guard-regions") == (424, 25)


def test_map_count_is_what_threads_run_out_of() -> None:
    (limits,) = found(enomem, "thread-stacks")["headroom"].values()
    gone = {limit["name"]: limit["calls_left"] for limit in limits}
    assert gone.pop("map count") == 97342
    assert set(gone.values()) == {None}


def test_advice_is_what_keeps_chunks_apart() -> None:
    assert top_group("thp-advice") == ([("flags", "hg nh")], 190, 190)
    causes = [top_cause("thp-advice")]
    causes += [
        (share["cause"], share["vmas"])
        for share in found(blame, "thp-advice", "--at", "end")["shares"]["site"][1:2]
    ]
    assert sorted(cause for cause, _ in causes) == [
        "flip: advise, madvise(MADV_HUGEPAGE)",
        "flip: advise, madvise(MADV_NOHUGEPAGE)",
    ]
    assert sum(vmas for _, vmas in causes) == 191


def test_leaving_out_one_kind_of_advice_is_not_enough() -> None:
    forbid, ask = "madvise(MADV_NOHUGEPAGE)", "madvise(MADV_HUGEPAGE)"
    assert changed("thp-advice", "--drop", forbid) == (215, 117)
    assert changed("thp-advice", "--drop", forbid, "--drop", ask) == (215, 24)


def test_moved_pieces_are_kept_apart_by_their_offsets() -> None:
    assert top_group("mremap-pieces") == ([("offset", "of anonymous memory")], 499, 499)
    assert top_cause("mremap-pieces")[0] == ("compact: main, mremap(MREMAP_MAYMOVE|MREMAP_FIXED)")
    assert changed("mremap-pieces", "--drop", "mremap") == (523, 24)


def test_moving_runs_out_of_vmas_where_the_kernel_refuses() -> None:
    answer = found(whatif, "mremap-pieces", "--set", "vm.max_map_count=1000")
    first = answer["fail_now"][0]
    assert first["call"].startswith("mremap(")
    assert "map count: 995 VMAs" in first["why"]
    assert answer["fails"] == 14
    # Each block that is moved costs two VMAs: with a limit of 65530 the program is refused after
    # 32751 blocks (test_live.py).
    blocks = 500 - answer["fails"]
    assert blocks + (65530 - 1000) // 2 == 32751


def test_a_worker_is_kept_apart_by_the_fork() -> None:
    # 623 less 300 is what the process has that goes on by itself (test_live.py).
    assert top_group("fork-write", *WORKER) == ([("fork chain", "")], 599, 300)
    assert top_cause("fork-write", *WORKER)[0] == ("prefork: take, mprotect(PROT_READ|PROT_WRITE)")
    assert found(why, "fork-write", "--at", "end", *WORKER)["vmas"] == 623


def test_holes_are_what_an_allocator_leaves_that_unmaps() -> None:
    answer = found(why, "allocator-unmap", "--at", "end")
    assert (answer["vmas"], answer["holes"]["count"], answer["holes"]["alike"]) == (547, 501, 498)
    cause, vmas = top_cause("allocator-unmap")
    assert (cause, vmas) == ("churn: main, munmap", 499)
    words = ("--at", "end", "--no-skip", "--skip", "libc")
    library = found(blame, "allocator-unmap", *words)["shares"]["library"][0]
    assert (library["cause"], library["vmas"]) == ("libjemalloc.so.2", 502)
    assert changed("allocator-unmap", "--drop", "munmap") == (547, 49)
