# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab explain`: each step with the VMAs that it changed, and the conditions between them."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vmalab.cli.explain import explain
from vmalab.cli.lesson_cases import books_of_cases
from vmalab.explain.history.lesson import MAX_STEPS

CASES = Path(__file__).parents[2] / "src/vmalab/testing/cases"
ANON = "MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0)"
LOG = f"""\
1 mmap(0x7f0000000000, 16384, PROT_READ|PROT_WRITE, {ANON} = 0x7f0000000000
1 mmap(0x7f0000004000, 16384, PROT_READ|PROT_WRITE, {ANON} = 0x7f0000004000
1 mprotect(0x7f0000002000, 8192, PROT_READ) = 0
1 munmap(0x7f0000000000, 8192) = 0
1 mprotect(0x7f0000002000, 8192, PROT_READ|PROT_WRITE) = 0
1 mremap(0x7f0000002000, 4096, 4096, MREMAP_MAYMOVE|MREMAP_FIXED, 0x7f0000010000) = 0x7f0000010000
"""


def run(*words: str) -> Result:
    return CliRunner().invoke(explain, list(words))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.strace"
    path.write_text(LOG)
    return path


def steps_of(text: str) -> list[str]:
    return text.split("\nstep ")


def test_each_step_says_what_became_of_the_vmas(log: Path) -> None:
    done = run(str(log))
    assert done.exit_code == 0, done.output
    first, second, third, fourth, fifth, sixth = steps_of(done.stdout)
    assert first.startswith("step 1, line 1: mmap(0x7f0000000000, 16384, ")
    assert "| 7f0000000000-7f0000004000  rw-p anonymous                new, 16 KiB" in first
    assert "grew, was 7f0000000000-7f0000004000" in second
    assert "1 -> 3 VMAs" in third
    assert third.count("split off 7f0000000000-7f0000008000") == 2
    assert "x 7f0000000000-7f0000002000  rw-p anonymous                gone" in fourth
    merged = "merged: one VMA of 7f0000002000-7f0000004000, 7f0000004000-7f0000008000"
    assert merged in fifth
    assert "| 7f0000010000-7f0000011000  rw-p anonymous" in sixth
    assert "moved, was 7f0000002000-7f0000003000" in sixth


def test_between_vmas_that_touch_stand_the_conditions(log: Path) -> None:
    third = steps_of(run(str(log)).stdout)[2]
    assert "    apart: flags (only below: wr)\n" in third
    assert "    apart: flags (only above: wr)\n" in third
    held = "special, file, offset, userfaultfd, policy, name, anon_vma, fork chain, close hook"
    assert third.count(f"    holds: {held}\n") == 2


def test_where_the_model_disagrees_is_said_at_the_step(tmp_path: Path) -> None:
    path = tmp_path / "log.strace"
    path.write_text(
        f"1 mmap(0x7f0000000000, 16384, PROT_READ, {ANON} = 0x7f0000000000\n"
        "1 mprotect(0x7f0000000000, 4096, PROT_NONE) = -1 ENOMEM (Cannot allocate memory)\n"
        "1 munmap(0x7f0000001000, 4095) = -1 EINVAL (Invalid argument)\n"
    )
    page = tmp_path / "lesson.html"
    done = run(str(path), "--html", str(page))
    first, adopted, wrong = steps_of(done.stdout)
    assert "recorded" not in first
    told = "taken as recorded: what decides it is not known (unknown limit)"
    assert f"\n  {told}\n" in adopted
    assert "\n  not as recorded: the model answers 0\n" in wrong
    assert "log.strace: 1 call not as recorded" in done.stderr
    assert f'<p class="failed">{told}</p>' in page.read_text("utf-8")


def test_cases_of_the_test_kit_are_lessons() -> None:
    done = run(str(CASES / "merge_new.vma"), "--case", "both_sides")
    assert done.exit_code == 0, done.output
    assert "vma_merge_new_range 12-14 A -> 10-16" in done.stdout
    assert "merged: one VMA of 10000-12000, 14000-16000" in done.stdout


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.glob("m*.vma")))
def test_every_case_can_be_drawn(name: str) -> None:
    books = books_of_cases(str(CASES / name), None)
    assert books
    assert all(book.steps for book in books)


def test_a_syzkaller_program_is_a_lesson(tmp_path: Path) -> None:
    program = tmp_path / "prog.syz"
    program.write_text(
        "mmap(&(0x7f0000000000/0x4000)=nil, 0x4000, 0x3, 0x32, 0xffffffffffffffff, 0x0)\n"
        "mprotect(&(0x7f0000001000/0x1000)=nil, 0x1000, 0x1)\n"
    )
    done = run(str(program))
    assert done.exit_code == 0, done.output
    assert "-> 3 VMAs" in done.stdout or "3 VMAs" in done.stdout


def test_a_case_that_is_not_there(log: Path) -> None:
    missing = run(str(CASES / "merge_new.vma"), "--case", "nothing")
    assert "there is no case 'nothing'" in str(missing.exception)
    assert run(str(log), "--case", "x").exit_code == 2


def test_a_long_log_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "log"
    lines = [f"1 munmap({0x7F0000000000 + 4096 * at:#x}, 4096) = 0" for at in range(MAX_STEPS + 5)]
    path.write_text("\n".join(lines) + "\n")
    assert run(str(path)).stdout.rstrip().endswith("and 5 more calls")
