# SPDX-License-Identifier: GPL-2.0-or-later
"""What a recording cannot hold is adopted, with its reason; what the model could know never is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.replay.report import ReplayReport

from ..small_recordings import DATA, FIRST, Make, anonymous, step

Replayed = Callable[..., ReplayReport]

EXEC = '50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'
RW = "PROT_READ|PROT_WRITE"
END = 0x7F0000100000
A = END - 0x2000
READ_ONLY = "rd mr mw me"


def mmap(size: int, at: int, flags: str = "MAP_PRIVATE|MAP_ANONYMOUS") -> str:
    return f"50 mmap(NULL, {size}, {RW}, {flags}, -1, 0) = {at:#x}\n"


# Fault history: written to, or not.

PROTECTED = mmap(8192, A) + f"50 mprotect({A:#x}, 8192, PROT_READ) = 0\n"


def protect_steps(flags: str) -> str:
    after = anonymous(A, END, "r--p", flags)
    return step("2 50 X mmap 1 0 1", anonymous(A, END)) + step("3 50 X mprotect 1 1 1", after)


def test_memory_is_written_to_by_the_prior(make: Make, replayed: Replayed) -> None:
    """What was written to stays charged when it loses its write permission."""
    report = replayed(make(EXEC + PROTECTED, protect_steps(READ_ONLY + " ac")))
    assert report.identical
    assert report.total.adopted == 0


def test_untouched_memory_is_adopted_as_fault_history(make: Make, replayed: Replayed) -> None:
    report = replayed(make(EXEC + PROTECTED, protect_steps(READ_ONLY)))
    assert report.identical
    assert report.total.adopted_reasons == {"fault history": 1}
    assert report.total.steps_identical == 2


@pytest.mark.parametrize(
    "flags", [READ_ONLY + " nh", "rd mr mw me ac nh", "rd mr me"], ids=["nh", "ac nh", "no mw"]
)
def test_faults_explain_no_other_flag(make: Make, replayed: Replayed, flags: str) -> None:
    report = replayed(make(EXEC + PROTECTED, protect_steps(flags)))
    assert report.total.differ == 1
    assert report.total.adopted == 0


def test_faults_explain_no_result(make: Make, replayed: Replayed) -> None:
    log = EXEC + PROTECTED.replace("PROT_READ) = 0", "PROT_READ) = -1 EACCES (x)")
    report = replayed(make(log, protect_steps(READ_ONLY)))
    assert report.total.differ == 1


def test_generated_recording_infers_nothing(make: Make, replayed: Replayed) -> None:
    """Its log holds every fault: untouched memory is predicted, touched memory is a difference."""
    generated = {"generator": {"profile": "dense", "seed": 1}}
    report = replayed(make(EXEC + PROTECTED, protect_steps(READ_ONLY), meta=generated))
    assert report.identical
    assert report.total.adopted == 0


def test_touched_memory_of_a_generated_recording_differs(make: Make, replayed: Replayed) -> None:
    generated = {"generator": {"profile": "dense", "seed": 1}}
    report = replayed(make(EXEC + PROTECTED, protect_steps(READ_ONLY + " ac"), meta=generated))
    assert report.total.differ == 1


def moved(merged: bool) -> tuple[str, str]:
    """A mapping that is moved to right below another: one VMA, or two, and the steps to it."""
    high, low = END - 0x1000, END - 0x11000
    log = (
        EXEC
        + mmap(4096, high)
        + f"50 mmap({low:#x}, 4096, {RW}, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0) = {low:#x}\n"
        + f"50 mremap({low:#x}, 4096, 4096, MREMAP_MAYMOVE|MREMAP_FIXED, {high - 4096:#x})"
        + f" = {high - 4096:#x}\n"
    )
    parts = [anonymous(high - 4096, high), anonymous(high, END)]
    last = [anonymous(high - 4096, END)] if merged else parts
    steps = (
        step("2 50 X mmap 1 0 1", anonymous(high, END))
        + step("3 50 X mmap 1 0 1", anonymous(low, low + 4096))
        + step("4 50 X mremap 1 2 " + str(len(last)), *last)
    )
    return log, steps


def test_written_memory_keeps_its_offsets_when_moved(make: Make, replayed: Replayed) -> None:
    report = replayed(make(*moved(merged=False)))
    assert report.identical
    assert report.total.adopted == 0


def test_untouched_memory_merges_when_moved(make: Make, replayed: Replayed) -> None:
    report = replayed(make(*moved(merged=True)))
    assert report.identical
    assert report.total.adopted_reasons == {"fault history": 1}


def test_program_that_does_not_write_is_found_out(make: Make, replayed: Replayed) -> None:
    """Two mappings that were never written to are adopted; the ones after them are predicted."""
    log, steps, line = EXEC, "", 1
    for i in range(6):
        start = END - 0x2000 * (i + 1)
        log += (
            mmap(4096, start + 0x1000) + f"50 mprotect({start + 0x1000:#x}, 4096, PROT_READ) = 0\n"
        )
        log += mmap(4096, start) + f"50 mprotect({start:#x}, 4096, PROT_NONE) = 0\n"
        for page, perms, flags in ((start + 4096, "r--p", READ_ONLY), (start, "---p", "mr mw me")):
            steps += step(f"{line + 1} 50 X mmap 1 0 1", anonymous(page, page + 4096))
            after = anonymous(page, page + 4096, perms, flags)
            steps += step(f"{line + 2} 50 X mprotect 1 1 1", after)
            line += 2
    report = replayed(make(log, steps))
    assert report.identical
    assert report.total.adopted_reasons == {"fault history": 2}


# Everything else.


def test_descriptor_that_the_log_never_opened(make: Make, replayed: Replayed) -> None:
    shown = (f"{A:x}-{END:x} r--p 00000000 fe:00 5   /data", READ_ONLY)
    log = EXEC + f"50 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 9, 0) = {A:#x}\n"
    report = replayed(make(log, step("2 50 X mmap 1 0 1", shown)))
    assert report.identical
    assert report.total.adopted_reasons == {"unseen fd": 1}


def test_closed_descriptor_is_an_error_that_is_predicted(make: Make, replayed: Replayed) -> None:
    log = EXEC + "50 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 9, 0) = -1 EBADF (Bad file)\n"
    report = replayed(make(log, ""))
    assert report.identical
    assert report.total.adopted == 0


def test_device_decides_what_its_mapping_is(make: Make, replayed: Replayed) -> None:
    shown = (f"{A:x}-{END:x} rw-s 00000000 00:0e 9   anon_inode:[io_uring]", "rd wr sh mr mw ms pf")
    log = (
        EXEC
        + "50 io_uring_setup(8, {flags=0}) = 3\n"
        + f"50 mmap(NULL, 8192, {RW}, MAP_SHARED, 3, 0) = {A:#x}\n"
    )
    report = replayed(make(log, step("3 50 X mmap 1 0 1", shown)))
    assert report.identical
    assert report.total.adopted_reasons == {"device mapping": 1}


def test_place_below_two_gigabytes_is_random(make: Make, replayed: Replayed) -> None:
    at = 0x40ABC000
    log = EXEC + mmap(4096, at, "MAP_PRIVATE|MAP_ANONYMOUS|MAP_32BIT")
    report = replayed(make(log, step("2 50 X mmap 0 0 1", anonymous(at, at + 4096))))
    assert report.identical
    assert report.total.adopted_reasons == {"random place": 1}


def test_call_of_a_killed_thread(make: Make, replayed: Replayed) -> None:
    """Its effect may or may not be there; here it is not."""
    log = EXEC + f"50 mmap(NULL, 8192, {RW}, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = ?\n"
    report = replayed(make(log + "50 +++ killed by SIGKILL +++\n", "", FIRST))
    assert report.identical
    assert report.total.adopted_reasons == {"killed call": 1}


def threads(first: str, second: str) -> str:
    """Two threads map at the same time; the log ends their calls in this order."""
    return (
        EXEC
        + "50 clone3({flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_SIGHAND|CLONE_THREAD}, 88) = 51\n"
        + f"50 mmap(NULL, 4096, {RW}, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0 <unfinished ...>\n"
        + "51 mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0 <unfinished ...>\n"
        + f"50 <... mmap resumed>) = {first}\n51 <... mmap resumed>) = {second}\n"
    )


def test_order_of_threads_is_read_off_the_map(make: Make, replayed: Replayed) -> None:
    """The other thread's call took effect first, though it ends later in the log."""
    none, ours = END - 0x2000, END - 0x3000
    lines = [anonymous(ours, none), anonymous(none, END, "---p", "mr mw me")]
    report = replayed(make(threads(hex(ours), hex(none)), step("5 50 X mmap 1 0 2", *lines)))
    assert report.identical
    assert report.total.adopted == 0
    assert report.total.predicted == 4


def test_threads_that_no_order_explains_are_adopted(make: Make, replayed: Replayed) -> None:
    odd = [anonymous(END - 0x9000, END - 0x8000), anonymous(END - 0x2000, END, "---p", "mr mw me")]
    log = threads(hex(END - 0x9000), hex(END - 0x2000))
    report = replayed(make(log, step("5 50 X mmap 1 0 2", *odd)))
    assert report.total.differ == 0
    assert "thread race" in report.total.adopted_reasons


def test_one_thread_alone_has_no_race(make: Make, replayed: Replayed) -> None:
    log = EXEC + mmap(4096, END - 0x9000)
    report = replayed(make(log, step("2 50 X mmap 1 0 1", anonymous(END - 0x9000, END - 0x8000))))
    assert report.total.differ == 1
    assert report.total.adopted == 0


# A bare log: nothing is known but what calls show.


@pytest.fixture
def bare(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a bare log."""

    def write(log: str) -> Path:
        path = tmp_path / "calls.strace"
        path.write_text(log, "utf-8")
        return path

    return write


def test_bare_log_shows_its_layout_once(bare: Callable[[str], Path], replayed: Replayed) -> None:
    log = (
        EXEC
        + "50 brk(NULL) = 0x55555a000000\n"
        + mmap(8192, A)
        + mmap(8192, A - 0x2000)
        + "50 brk(0x55555a021000) = 0x55555a021000\n"
        + f"50 munmap({A:#x}, 4096) = 0\n"
        + mmap(4096, A)
    )
    report = replayed(bare(log))
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"unknown layout": 2}
    assert report.total.predicted == 5
    assert report.total.final_identical is None
    assert report.kernel == "6.18"


def test_bare_log_reaches_what_was_there_before(
    bare: Callable[[str], Path], replayed: Replayed
) -> None:
    """The loader protects its own data: it must have been mapped."""
    log = EXEC + "50 mprotect(0x7f0000200000, 8192, PROT_READ) = 0\n" * 2
    report = replayed(bare(log))
    assert report.total.adopted_reasons == {"unknown layout": 1}
    assert report.total.predicted == 2


def test_bare_log_is_not_believed_where_the_model_knows(
    bare: Callable[[str], Path], replayed: Replayed
) -> None:
    log = EXEC + mmap(8192, A) + mmap(8192, A - 0x9000) + f"50 munmap({A + 1:#x}, 4096) = 0\n"
    report = replayed(bare(log))
    assert report.total.differ == 2
    assert report.total.adopted_reasons == {"unknown layout": 1}


def test_bare_log_of_a_process_that_ran_already(
    bare: Callable[[str], Path], replayed: Replayed
) -> None:
    report = replayed(bare(mmap(8192, A).replace("50 ", "") + "brk(NULL) = 0x1000000\n"))
    assert report.total.differ == 0
    assert report.images.keys() == {"0.0"}


def test_no_flag_is_guessed_without_vmflags(make: Make, replayed: Replayed) -> None:
    """Steps of the maps kind tell permissions; the last map tells what stayed charged."""
    image = {"steps": "maps"}
    text = f"@2 50 X mmap 1 0 1\n{A:x}-{END:x} rw-p 00000000 00:00 0 \n"
    text += f"@3 50 X mprotect 1 1 1\n{A:x}-{END:x} r--p 00000000 00:00 0 \n"
    last = [FIRST[0], anonymous(A, END, "r--p", READ_ONLY), *FIRST[1:]]
    report = replayed(make(EXEC + PROTECTED, text, last, image))
    assert report.identical
    assert report.total.adopted_reasons == {"fault history": 1}
    assert report.total.predicted + report.total.adopted == report.total.memory_calls
    assert DATA.endswith("ac")


def test_name_that_the_tracer_cut(make: Make, replayed: Replayed) -> None:
    """Whether the rest of it was too long, nobody knows."""
    named = 'prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, 0x555555600000, 0, "0123"...)'
    kernel = {"kernel": {"release": "6.18.44", "config": {"CONFIG_ANON_VMA_NAME": True}}}
    log = EXEC + f"50 {named} = -1 EINVAL (Invalid argument)\n"
    report = replayed(make(log, None, meta=kernel))
    assert report.total.adopted_reasons == {"cut argument": 1}


def test_kernel_without_swap_is_found_out_once(make: Make, replayed: Replayed) -> None:
    """Nothing else answers EBADF to advice for anonymous memory; from then on it is predicted."""
    advice = f"50 madvise({A:#x}, 8192, MADV_WILLNEED) = -1 EBADF (Bad file descriptor)\n"
    report = replayed(make(EXEC + mmap(8192, A) + advice * 3, None))
    assert report.total.differ == 0
    assert report.total.adopted_reasons == {"unknown configuration": 1}


def test_kernel_that_is_said_to_have_swap_differs(make: Make, replayed: Replayed) -> None:
    kernel = {"kernel": {"release": "6.18.44", "config": {"CONFIG_SWAP": True}}}
    advice = f"50 madvise({A:#x}, 8192, MADV_WILLNEED) = -1 EBADF (Bad file descriptor)\n"
    report = replayed(make(EXEC + mmap(8192, A) + advice, None, meta=kernel))
    assert report.total.differ == 1


LARGE = 0x7F0000000000 - 0x400000


def collapse(result: str, flags: str = "MAP_PRIVATE|MAP_ANONYMOUS") -> str:
    whole = f"50 mmap({LARGE:#x}, 4194304, {RW}, {flags}|MAP_FIXED, -1, 0) = {LARGE:#x}\n"
    return EXEC + whole + f"50 madvise({LARGE:#x}, 4194304, MADV_COLLAPSE) = {result}\n"


@pytest.mark.parametrize(
    ("result", "adopted"), [("0", {}), ("-1 EINVAL (x)", {"fault history": 1})], ids=["all", "few"]
)
def test_pages_decide_what_collapses(
    make: Make, replayed: Replayed, result: str, adopted: dict[str, int]
) -> None:
    report = replayed(make(collapse(result), None))
    assert report.total.differ == 0
    assert report.total.adopted_reasons == adopted


def test_what_cannot_be_written_to_has_no_pages_to_collapse(make: Make, replayed: Replayed) -> None:
    assert replayed(make(collapse("0").replace(RW, "PROT_NONE"), None)).total.differ == 1


def test_memory_that_awaits_its_first_fault_was_not_written_to(
    make: Make, replayed: Replayed
) -> None:
    """What a userfaultfd filled has an anon_vma of its own and stays apart from its neighbour."""
    low, high = END - 0x2000, END - 0x1000
    register = f"{{range={{start={high:#x}, len=0x1000}}, mode=UFFDIO_REGISTER_MODE_MISSING}}"
    copy = f"{{dst={high:#x}, src={low:#x}, len=0x1000, mode=0, copy=0x1000}}"
    log = (
        EXEC
        + mmap(4096, high)
        + mmap(4096, low)
        + "50 userfaultfd(O_NONBLOCK) = 4\n"
        + "50 ioctl(4, UFFDIO_API, {api=0xaa, features=0 => features=0, ioctls=0}) = 0\n"
        + f"50 ioctl(4, UFFDIO_REGISTER, {register}) = 0\n"
        + f"50 ioctl(4, UFFDIO_COPY, {copy}) = 0\n"
        + "50 close(4) = 0\n"
    )
    apart = [anonymous(low, high), anonymous(high, END)]
    steps = (
        step("2 50 X mmap 1 0 1", anonymous(high, END))
        + step("3 50 X mmap 1 1 1", anonymous(low, END))
        + step("6 50 X ioctl 1 1 2", apart[0], anonymous(high, END, "rw-p", DATA + " um"))
        + step("8 50 X close 2 1 1", apart[1])
    )
    report = replayed(make(log, steps, [FIRST[0], *apart, *FIRST[1:]]))
    assert report.identical
    assert report.total.adopted == 0


def test_a_directory_opened_as_any_file_is_an_unknown_file(make: Make, replayed: Replayed) -> None:
    """Once the kernel has said so, it is known, and for another descriptor of it as well."""
    refused = "50 mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = -1 ENODEV (No such device)\n"
    opened = '50 openat(AT_FDCWD, "/etc", O_RDONLY) = 3\n'
    report = replayed(make(EXEC + opened + refused + refused + opened + refused, None))
    assert report.total.adopted_reasons == {"unknown file": 1}
    assert (report.total.predicted, report.total.differ) == (3, 0)
