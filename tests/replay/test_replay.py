# SPDX-License-Identifier: GPL-2.0-or-later
"""A replay predicts first and compares afterwards; every figure says what it found."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError, UsageError
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.report import ReplayReport

from ..small_recordings import CODE, DATA, FIRST, LOADER, PROGRAM, STACK, Make, anonymous, step

Replayed = Callable[..., ReplayReport]

MMAP = "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)"
A = 0x7F00000FE000
END = 0x7F0000100000
MAPPED = [FIRST[0], anonymous(A, END), *FIRST[1:]]


def exec_and(*calls: str) -> str:
    """A log of process 50: its exec, the calls, its end."""
    lines = ['execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0', *calls, "+++ exited with 0 +++"]
    return "".join(f"50 {line}\n" for line in lines)


def test_result_step_and_final_map_as_recorded(make: Make, replayed: Replayed) -> None:
    report = replayed(
        make(exec_and(f"{MMAP} = {A:#x}"), step("2 50 X mmap 1 0 1", anonymous(A, END)), MAPPED)
    )
    figures = report.total
    assert report.differences == []
    assert (figures.calls, figures.memory_calls, figures.predicted) == (2, 2, 2)
    assert (figures.steps, figures.steps_identical) == (1, 1)
    assert (figures.final_vmas, figures.final_identical) == (4, True)
    assert report.identical


def test_other_address_differs_and_is_taken_over(make: Make, replayed: Replayed) -> None:
    """The address differs once; what follows from it is as recorded."""
    elsewhere = A - 0x1000
    log = exec_and(f"{MMAP} = {elsewhere:#x}", f"munmap({elsewhere:#x}, 8192) = 0")
    steps = step("2 50 X mmap 1 0 1", anonymous(elsewhere, elsewhere + 0x2000))
    report = replayed(make(log, steps + step("3 50 X munmap 1 1 0"), FIRST))
    assert report.total.differ == 1
    assert report.total.predicted == 2
    assert report.total.final_identical
    [difference] = report.differences
    assert (difference.line, difference.recorded, difference.predicted) == (
        2,
        hex(elsewhere),
        hex(A),
    )
    assert not report.identical


def test_change_without_a_step_differs(make: Make, replayed: Replayed) -> None:
    """No step means that the map stayed as it was."""
    report = replayed(make(exec_and(f"{MMAP} = {A:#x}"), "", FIRST))
    assert report.total.differ == 1
    assert "another map: range" in report.differences[0].predicted


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (anonymous(A, END, "r--p", "rd mr mw me"), "flags"),
        (anonymous(A, END, flags=DATA + " nh"), "flags"),
        (anonymous(A, END, flags=DATA + " zz"), "flags"),
        (anonymous(A + 0x1000, END), "range"),
        ((f"{A:x}-{END:x} rw-p 00000000 fe:00 12 /x", DATA), "file"),
        ((f"{A:x}-{END:x} rw-p 00001000 00:00 0 ", DATA), "offset"),
    ],
    ids=["permissions", "flag", "unknown flag", "range", "file", "offset"],
)
def test_each_part_of_a_line_is_compared(
    make: Make, replayed: Replayed, line: tuple[str, str], what: str
) -> None:
    report = replayed(make(exec_and(f"{MMAP} = {A:#x}"), step("2 50 X mmap 1 0 1", line)))
    assert report.total.differ == 1
    assert report.total.steps_identical == 0
    assert f"another map: {what}" in report.differences[0].predicted


def test_one_mistake_is_counted_once(make: Make, replayed: Replayed) -> None:
    """After a difference the model goes on from the recorded map."""
    odd = anonymous(A, END, flags=DATA + " nh")
    log = exec_and(f"{MMAP} = {A:#x}", "brk(NULL) = 0x555555560000")
    report = replayed(make(log, step("2 50 X mmap 1 0 1", odd), [FIRST[0], odd, *FIRST[1:]]))
    assert report.total.differ == 1
    assert report.total.final_identical


def test_final_map_is_compared(make: Make, replayed: Replayed) -> None:
    report = replayed(make(exec_and(), "", MAPPED))
    assert report.total.final_identical is False
    assert report.total.differ == 0
    assert report.differences[0].call == "final map"
    assert not report.identical


def test_deleted_file_has_another_name_but_is_the_same(make: Make, replayed: Replayed) -> None:
    renamed = [(PROGRAM + " (deleted)", CODE), (LOADER, CODE), FIRST[2]]
    report = replayed(make(exec_and(), step("1 50 E brk 0 1 1", renamed[0]), renamed))
    assert report.identical
    assert report.total.steps_identical == 1


def test_stack_growth_between_calls_is_a_fault(make: Make, replayed: Replayed) -> None:
    grown = (STACK.replace("7ffd00000000", "7ffcfffe0000"), FIRST[2][1])
    report = replayed(make(exec_and("brk(NULL) = 0x555555560000"), step("1 50 E brk 2 1 1", grown)))
    assert report.identical
    assert report.total.steps_identical == 1


def test_growth_of_what_is_no_stack_is_none(make: Make, replayed: Replayed) -> None:
    grown = (LOADER.replace("7f0000100000", "7f00000f0000"), CODE)
    report = replayed(make(exec_and("brk(NULL) = 0x555555560000"), step("1 50 E brk 1 1 1", grown)))
    assert report.total.steps == 1
    assert report.total.steps_identical == 0


def test_file_shows_its_inode_once_and_keeps_it(make: Make, replayed: Replayed) -> None:
    mmap = "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0)"
    log = exec_and(
        'openat(AT_FDCWD, "/lib/a.so", O_RDONLY|O_CLOEXEC) = 3',
        f"{mmap} = 0x7f00000ff000",
        f"{mmap} = 0x7f00000fe000",
    )
    one = ("7f00000ff000-7f0000100000 r--p 00000000 fe:00 77   /lib/a-1.so", "rd mr mw me")
    two = ("7f00000fe000-7f00000ff000 r--p 00000000 fe:00 77   /lib/a-1.so", "rd mr mw me")
    other = (two[0].replace("77", "78"), two[1])
    steps = step("3 50 X mmap 1 0 1", one)
    report = replayed(make(log, steps + step("4 50 X mmap 1 0 1", two)), maps=True)
    assert report.identical
    assert [line.name for line in report.images["50.1"].final][1:3] == ["/lib/a-1.so"] * 2
    (Path(report.path) / "images/50.1/steps.txt").write_text(
        steps + step("4 50 X mmap 1 0 1", other), "utf-8"
    )
    again = replayed(Path(report.path))
    assert again.total.differ == 1
    assert "another map: file" in again.differences[0].predicted


def test_stop_at_the_first_difference(make: Make, replayed: Replayed) -> None:
    log = exec_and(f"{MMAP} = {A - 4096:#x}", "munmap(0x1000, 4096) = -1 EPERM (x)")
    report = replayed(make(log, None), stop=True)
    assert report.stopped
    assert report.total.memory_calls == 2
    assert len(report.differences) == 1


def test_child_continues_its_parents_map(make: Make, replayed: Replayed) -> None:
    """Without a first map of its own a child has its parent's, as forked."""
    clone = "clone(child_stack=NULL, flags=SIGCHLD, child_tidptr=0x421944) = 51"
    log = exec_and(f"{MMAP} = {A:#x}", clone).replace("50 +++", "51 munmap(X) = 0\n50 +++")
    log = log.replace("munmap(X)", f"munmap({A:#x}, 8192)")
    report = replayed(make(log, None))
    assert report.images.keys() == {"50.1"}
    assert report.identical
    assert report.total.memory_calls == 3


def test_kernel_without_a_profile_is_refused(make: Make, replayed: Replayed) -> None:
    with pytest.raises(UsageError, match=r"no model of kernel '5\.4'.*6\.18"):
        replayed(make(exec_and()), kernel="5.4")


def test_steps_that_do_not_fit_are_an_error_with_its_place(make: Make, replayed: Replayed) -> None:
    with pytest.raises(ReadError, match=r"50\.1: steps\.txt: the step at line 2 takes lines 7"):
        replayed(make(exec_and(f"{MMAP} = {A:#x}"), step("2 50 X mmap 7 1 0")))


def test_first_map_that_cannot_be_is_an_error(make: Make, replayed: Replayed) -> None:
    with pytest.raises(ReadError, match="the range 7f0000100000-7f0000102000 is invalid"):
        replayed(make(exec_and(), first=[FIRST[1], FIRST[1]]))


def test_log_that_ends_early_leaves_the_last_map_alone(make: Make, replayed: Replayed) -> None:
    steps = step("9 50 X mmap 1 0 1", anonymous(A, END))
    report = replayed(make(exec_and(), steps, MAPPED))
    assert report.total.final_identical is None
    assert report.notes == ["50.1: its map changes after the end of the log"]


def test_figures_add_up(make: Make, replayed: Replayed) -> None:
    log = exec_and(f"{MMAP} = {A:#x}", "munmap(0x1000, 4096) = -1 EPERM (x)", "mlockall(0x9) = 0")
    report = replayed(make(log, None))
    total = report.total
    assert total.predicted + total.adopted + total.differ == total.memory_calls == 4
    assert sum(total.adopted_reasons.values()) == total.adopted


@pytest.mark.parametrize("name", ["python-rlimit-as", "sqlite3", "dense-1"])
def test_example_replays_without_a_difference(
    examples: Path, replayed: Replayed, name: str
) -> None:
    report = replayed(examples / name)
    assert report.differences == []
    assert report.identical
    assert report.total.adopted == 0
    assert report.total.predicted == report.total.memory_calls > 80
    assert report.total.final_identical
    assert RecordingFiles(str(examples / name)).meta.release.startswith(report.kernel)


def test_folder_without_meta_json_is_read_as_far_as_it_goes(make: Make, replayed: Replayed) -> None:
    folder = make(
        exec_and(f"{MMAP} = {A:#x}"), step("2 50 X mmap 1 0 1", anonymous(A, END)), MAPPED
    )
    (folder / "meta.json").unlink()
    report = replayed(folder)
    assert report.identical
    assert report.total.final_identical
    assert report.total.steps_identical == 1


def test_log_without_numbers_is_of_the_only_image(make: Make, replayed: Replayed) -> None:
    log = f"brk(NULL) = 0x555555560000\n{MMAP} = {A:#x}\n+++ exited with 0 +++\n"
    folder = make(log, step("2 0 X mmap 1 0 1", anonymous(A, END)), MAPPED)
    (folder / "meta.json").unlink()
    report = replayed(folder)
    assert report.images.keys() == {"50.1"}
    assert report.total.steps_identical == 1
    assert report.total.final_identical


def test_number_of_a_process_is_used_again(make: Make, replayed: Replayed) -> None:
    """The second child of that number is seen before its clone returns."""
    clone = "50 clone(child_stack=NULL, flags=SIGCHLD"
    child = f"51 munmap({A:#x}, 4096) = 0\n51 +++ exited with 0 +++\n"
    log = (
        exec_and(f"{MMAP} = {A:#x}").removesuffix("50 +++ exited with 0 +++\n")
        + f"{clone}) = 51\n{child}{clone} <unfinished ...>\n{child}50 <... clone resumed>) = 51\n"
    )
    folder = make(log, None)
    (folder / "meta.json").unlink()
    report = replayed(folder)
    assert report.total.differ == 0


@pytest.mark.parametrize(("size", "same"), [(148, True), (144, False)])
def test_counters_of_a_snapshot_are_compared(
    make: Make, replayed: Replayed, size: int, same: bool
) -> None:
    """8 KiB of program, 8 KiB of loader, 132 KiB of stack: 148 KiB."""
    counters = {"final": {"image": "50.1", "VmSize": size, "VmLck": 0}}
    report = replayed(make("50 brk(NULL) = 0x555555560000\n", "", FIRST, {"counters": counters}))
    assert report.total.counters == 1
    assert (report.total.counters_identical == 1) == same
    assert report.identical == same
