# SPDX-License-Identifier: GPL-2.0-or-later
"""Arguments whose contents a log lacks, and pages that no call made, are adopted and followed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

from ..small_recordings import FIRST, Make, anonymous

Replayed = Callable[..., ReplayReport]
EXEC = '50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'
END = 0x7F0000100000
A = END - 0x4000
B = A - 0x4000
RW = "PROT_READ|PROT_WRITE"
MAPPED = "".join(
    f"50 mmap(NULL, 16384, {RW}, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {at:#x}\n" for at in (A, B)
)
WATCHED = (
    MAPPED
    + "50 userfaultfd(O_CLOEXEC) = 4\n"
    + "50 ioctl(4, UFFDIO_API, {api=0xaa, features=0}) = 0\n"
    + f"50 ioctl(4, UFFDIO_REGISTER, {{range={{start={B:#x}, len=0x4000}}, mode=3}}) = 0\n"
)
PRESENT = " = -1 EEXIST (File exists)"


def line(call: str, answer: str = " = 0") -> str:
    return f"50 {call}{answer}\n"


@pytest.mark.parametrize(
    "request_name",
    ["UFFDIO_WRITEPROTECT", "UFFDIO_CONTINUE", "UFFDIO_MOVE", "UFFDIO_POISON", "UFFDIO_COPY"],
)
@pytest.mark.parametrize("answer", [" = 0", PRESENT, " = -1 EAGAIN (Try again)"])
def test_a_structure_that_the_log_lacks_is_an_unread_pointer(
    make: Make, replayed: Replayed, request_name: str, answer: str
) -> None:
    asked = line(f"ioctl(4, {request_name}, 0x7ffd0001f000)", answer)
    report = replayed(make(EXEC + WATCHED + asked + asked, None))
    assert report.total.adopted_reasons == {"unread pointer": 2}
    assert report.total.differ == 0


def test_a_refusal_that_needs_no_structure_is_predicted(make: Make, replayed: Replayed) -> None:
    log = line("userfaultfd(O_CLOEXEC)", " = 4")
    log += line("ioctl(4, UFFDIO_MOVE, 0x7ffd0001f000)", " = -1 EINVAL (Invalid argument)")
    report = replayed(make(EXEC + log, None))
    assert (report.total.adopted, report.total.differ) == (0, 0)


@pytest.mark.parametrize("mask", ["[]", "[0]", "[0, 0]", "[3]"])
def test_a_mask_whose_efault_has_no_other_cause_could_not_be_read(
    make: Make, replayed: Replayed, mask: str
) -> None:
    """The policy is not set, so both mappings stay one."""
    efault = " = -1 EFAULT (Bad address)"
    log = MAPPED + line(f"mbind({A:#x}, 16384, MPOL_PREFERRED, {mask}, 128, 0)", efault)
    log += line(f"set_mempolicy(MPOL_PREFERRED, {mask}, 128)", efault)
    final = sorted([*FIRST, anonymous(B, END)])
    report = replayed(make(EXEC + log, None, final=final))
    assert report.total.adopted_reasons == {"unread pointer": 2}
    assert report.identical


@pytest.mark.parametrize("start", [0x10000, 0x7FFFFFFFF000, 0xFFFF800000004000])
def test_the_efault_of_a_hole_is_predicted(make: Make, replayed: Replayed, start: int) -> None:
    asked = f"mbind({start:#x}, 16384, MPOL_PREFERRED, [1], 128, 0)"
    log = line(asked, " = -1 EFAULT (Bad address)")
    report = replayed(make(EXEC + log, None))
    assert (report.total.predicted, report.total.adopted) == (2, 0)


def move(source: int) -> str:
    return line(f"ioctl(4, UFFDIO_MOVE, {{dst={B:#x}, src={source:#x}, len=0x2000, mode=0}})")


def zeropage(answer: str) -> str:
    return line(
        f"ioctl(4, UFFDIO_ZEROPAGE, {{range={{start={B:#x}, len=0x1000}}, mode=0}})", answer
    )


def test_pages_that_were_moved_had_been_touched(make: Make, replayed: Replayed) -> None:
    report = replayed(make(EXEC + WATCHED + move(A), None))
    assert report.total.adopted_reasons == {"fault history": 1}
    assert report.total.differ == 0


def test_pages_that_were_there_may_have_been_touched(make: Make, replayed: Replayed) -> None:
    report = replayed(make(EXEC + WATCHED + zeropage(PRESENT), None))
    assert report.total.adopted_reasons == {"fault history": 1}


def test_pages_do_not_vanish_unseen(make: Make, replayed: Replayed) -> None:
    report = replayed(make(EXEC + WATCHED + zeropage(" = 0") + zeropage(" = 0"), None))
    assert (report.total.adopted, report.total.differ) == (0, 1)


def test_a_file_may_have_been_filled_by_others(make: Make, replayed: Replayed) -> None:
    shared = f"{RW}, MAP_SHARED, 3</memfd:x (deleted)<00:01 7 0100002>>, 0)"
    log = line('memfd_create("x", 0)', " = 3") + line("ftruncate(3, 16384)")
    log += line(f"mmap(NULL, 16384, {shared}", f" = {A:#x}")
    log += line("userfaultfd(O_CLOEXEC)", " = 4")
    log += line("ioctl(4, UFFDIO_API, {api=0xaa, features=1024})")
    log += line(f"ioctl(4, UFFDIO_REGISTER, {{range={{start={A:#x}, len=0x4000}}, mode=4}})")
    filled = f"ioctl(4, UFFDIO_CONTINUE, {{range={{start={A:#x}, len=0x1000}}, mode=0}})"
    report = replayed(make(EXEC + log + line(filled) + line(filled, PRESENT), None))
    assert report.total.adopted_reasons == {"page cache": 1}
    assert report.total.differ == 0


def test_a_hint_that_strace_does_not_print_is_a_cut_argument(tmp_path: Path) -> None:
    """MREMAP_DONTUNMAP without a fifth argument: whatever was in the register is one."""
    refused = " = -1 EINVAL (Invalid argument)"
    log = EXEC + MAPPED
    log += line(f"mremap({A:#x}, 4096, 4096, MREMAP_MAYMOVE|MREMAP_DONTUNMAP)", refused)
    log += line(f"mremap({A:#x}, 4096, 4096, MREMAP_MAYMOVE)", refused)
    path = tmp_path / "calls.strace"
    path.write_text(log)
    report = Replay(RecordingFiles(str(path)), Options()).run()
    assert report.total.adopted_reasons.get("cut argument") == 1
    assert report.total.differ == 1
