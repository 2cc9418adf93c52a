# SPDX-License-Identifier: GPL-2.0-or-later
"""What the order of a program's calls says of memory that it cannot have written to yet."""

from collections.abc import Callable

from vmalab.replay.report import ReplayReport

from ..small_recordings import DATA, FIRST, Make, anonymous, step

Replayed = Callable[..., ReplayReport]

EXEC = '50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'
RW = "PROT_READ|PROT_WRITE"
END = 0x7F0000100000
A = END - 0x4000
CLOCK = "50 clock_gettime(CLOCK_MONOTONIC, NULL) = 0\n"


def mapped(tid: int = 50) -> str:
    return f"{tid} mmap(NULL, 16384, {RW}, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {A:#x}\n"


def protected(start: int, size: int, how: str) -> str:
    return f"50 mprotect({start:#x}, {size}, {how}) = 0\n"


def final(*lines: tuple[str, str]) -> list[tuple[str, str]]:
    return [FIRST[0], *lines, *FIRST[1:]]


def without_flags(text: str) -> str:
    """Steps as recordings have them whose steps tell no VmFlags."""
    return "".join(line.partition(" |")[0] + "\n" for line in text.splitlines())


MAPS = {"steps": "maps"}
GUARD = anonymous(A, A + 0x1000, "---p", "mr mw me")
REST = anonymous(A + 0x1000, END, "rw-p", DATA)
GUARDED = step("2 50 X mmap 1 0 1", anonymous(A, END)) + step("3 50 X mprotect 1 1 2", GUARD, REST)


def test_guard_of_what_was_just_mapped_is_unwritten(make: Make, replayed: Replayed) -> None:
    log = EXEC + mapped() + protected(A, 4096, "PROT_NONE")
    report = replayed(make(log, GUARDED))
    assert report.identical
    assert report.total.adopted == 0


def test_steps_without_flags_leave_nothing_to_settle(make: Make, replayed: Replayed) -> None:
    log = EXEC + mapped() + protected(A, 4096, "PROT_NONE")
    report = replayed(make(log, without_flags(GUARDED), final(GUARD, REST), MAPS))
    assert report.identical
    assert report.total.final_identical
    assert report.total.adopted == 0


def test_what_is_carved_after_the_guard_is_unwritten_too(make: Make, replayed: Replayed) -> None:
    """As a virtual machine for Java lays out the page that its threads poll."""
    polled = anonymous(A + 0x1000, END, "r--p", "rd mr mw me")
    log = EXEC + mapped() + protected(A, 4096, "PROT_NONE")
    log += protected(A + 0x1000, 0x3000, "PROT_READ")
    report = replayed(make(log, GUARDED + step("4 50 X mprotect 2 1 1", polled)))
    assert report.identical
    assert report.total.adopted == 0


def test_memory_made_readable_at_once_was_written(make: Make, replayed: Replayed) -> None:
    """As a compiler puts code there."""
    log = EXEC + mapped() + protected(A, 4096, "PROT_READ")
    lines = anonymous(A, A + 0x1000, "r--p", "rd mr mw me ac"), REST
    steps = step("2 50 X mmap 1 0 1", anonymous(A, END)) + step("3 50 X mprotect 1 1 2", *lines)
    report = replayed(make(log, steps))
    assert report.identical
    assert report.total.adopted == 0


def test_a_call_between_ends_it(make: Make, replayed: Replayed) -> None:
    log = EXEC + mapped() + CLOCK + protected(A, 4096, "PROT_NONE")
    charged = GUARDED.replace("@3 ", "@4 ").replace("| mr mw me ", "| mr mw me ac ")
    report = replayed(make(log, charged))
    assert report.identical
    assert report.total.adopted == 0


def test_a_guard_says_nothing_of_other_memory(make: Make, replayed: Replayed) -> None:
    """Guards of many threads do not make a program one that does not write."""
    log, steps, end = EXEC, "", END
    for number in range(5):
        start = end - 0x4000
        log += mapped().replace(f"{A:#x}", f"{start:#x}") + protected(start, 4096, "PROT_NONE")
        line = 2 + 2 * number
        # The rest of the one before is written to, and apart.
        steps += step(f"{line} 50 X mmap 1 0 1", anonymous(start, end))
        steps += step(
            f"{line + 1} 50 X mprotect 1 1 2",
            anonymous(start, start + 0x1000, "---p", "mr mw me"),
            anonymous(start + 0x1000, end),
        )
        end = start
    log += CLOCK + protected(end + 0x1000, 0x3000, "PROT_READ")
    written = anonymous(end + 0x1000, end + 0x4000, "r--p", "rd mr mw me ac")
    steps += step("13 50 X mprotect 2 1 1", written)
    report = replayed(make(log, steps))
    assert report.identical
    assert report.total.adopted == 0


LIBRARY = "7f00000f9000-7f00000fd000 r--p 00000000 fe:00 12" + " " * 25 + "/lib/libx.so"
CODE_OF = (LIBRARY.replace("-7f00000fd000", "-7f00000fb000"), "rd mr mw me")
DATA_OF = (
    "7f00000fb000-7f00000fd000 rw-p 00002000 fe:00 12" + " " * 25 + "/lib/libx.so",
    DATA,
)
ANONYMOUS = "MAP_PRIVATE|MAP_ANONYMOUS"


def between(*relocated: str) -> str:
    """A library whose zeros lie a page below memory that was written; then that page is mapped."""
    return (
        EXEC
        + f"50 mmap(NULL, 4096, {RW}, {ANONYMOUS}, -1, 0) = 0x7f00000ff000\n"
        + '50 openat(AT_FDCWD, "/lib/libx.so", O_RDONLY) = 3\n'
        + "50 mmap(0x7f00000f9000, 16384, PROT_READ, MAP_PRIVATE|MAP_FIXED, 3, 0)"
        + " = 0x7f00000f9000\n"
        + f"50 mmap(0x7f00000fb000, 8192, {RW}, MAP_PRIVATE|MAP_FIXED, 3, 0x2000)"
        + " = 0x7f00000fb000\n"
        + f"50 mmap(0x7f00000fd000, 4096, {RW}, MAP_FIXED|{ANONYMOUS}, -1, 0) = 0x7f00000fd000\n"
        + "".join(relocated)
        + f"50 mmap(NULL, 4096, {RW}, {ANONYMOUS}, -1, 0) = 0x7f00000fe000\n"
    )


LOADED = (
    step("2 50 X mmap 1 0 1", anonymous(END - 0x1000, END))
    + step("4 50 X mmap 1 0 1", (LIBRARY, "rd mr mw me"))
    + step("5 50 X mmap 1 1 2", CODE_OF, DATA_OF)
    + step("6 50 X mmap 3 0 1", anonymous(END - 0x3000, END - 0x2000))
)


def test_zeros_of_a_library_are_unwritten_while_it_is_loaded(
    make: Make, replayed: Replayed
) -> None:
    """Written memory above, a new page between: all three become one."""
    steps = LOADED + step("7 50 X mmap 3 2 1", anonymous(END - 0x3000, END))
    report = replayed(make(between(), steps))
    assert report.identical
    assert report.total.adopted == 0


def test_relocation_ends_it(make: Make, replayed: Replayed) -> None:
    """What was relocated has been made read-only: the zeros may be in use, and stay apart."""
    relocated = "50 mprotect(0x7f00000fb000, 4096, PROT_READ) = 0\n"
    constant = (DATA_OF[0].replace("-7f00000fd000 rw-p", "-7f00000fc000 r--p"), "rd mr mw me ac")
    data = (
        "7f00000fc000-7f00000fd000 rw-p 00003000 fe:00 12" + " " * 25 + "/lib/libx.so",
        DATA,
    )
    steps = (
        LOADED
        + step("7 50 X mprotect 2 1 2", constant, data)
        + step("8 50 X mmap 4 1 1", anonymous(END - 0x3000, END - 0x1000))
    )
    report = replayed(make(between(relocated), steps))
    assert report.identical
    assert report.total.adopted == 0
