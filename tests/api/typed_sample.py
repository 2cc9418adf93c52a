# SPDX-License-Identifier: GPL-2.0-or-later
"""Uses the library as a program with types would. Type checkers read it; nobody runs it."""

from typing import assert_type

import vmalab
from vmalab import (
    COMPILED,
    AddressSpace,
    CallRefused,
    Machine,
    Maps,
    Recording,
    VmalabError,
    VmaLine,
    Watch,
    watch,
)
from vmalab.calls.call import Call
from vmalab.explain.enomem.failed_calls import Enomem
from vmalab.explain.why.boundaries import Why
from vmalab.explain.why.place import Place
from vmalab.replay.report import ReplayReport
from vmalab.views.blame import BlameFindings
from vmalab.views.why import WhyFindings

assert_type(vmalab.__version__, str)
assert_type(COMPILED, bool)


def calls(space: AddressSpace) -> int:
    """What calls take and return."""
    start = assert_type(space.mmap(0, 0x4000), int)
    space.mmap(start, 0x1000, "rw", "private|anonymous|fixed")
    space.mprotect(start, 0x1000, 1)
    space.madvise(start, 0x1000, "MADV_DONTNEED")
    space.name(start, 0x1000, None)
    moved = assert_type(space.mremap(start, 0x1000, 0x2000, "maymove"), int)
    file = assert_type(space.memfd_create("heap"), int)
    space.ftruncate(file, 0x1000)
    assert_type(space.brk(), int)
    assert_type(space.call("mincore", start, 0x1000, mem={2: b""}), int)
    assert_type(space.fork(), AddressSpace)
    return moved


def looks(space: AddressSpace) -> None:
    """What an address space shows of itself."""
    assert_type(space.vmas, Maps)
    assert_type(space.vmas[0], VmaLine)
    assert_type(space.vmas[1:], Maps)
    assert_type(space.at(0x1000), VmaLine | None)
    assert_type(space.counters, dict[str, int])
    assert_type(space.why(), Why)
    assert_type(space.why(0x1000), Place)
    for line in space.vmas:
        assert_type((line.start, line.end, line.perms), tuple[int, int, str])


def refusals(space: AddressSpace) -> str:
    """What is raised."""
    try:
        space.munmap(1, 1)
    except CallRefused as error:
        return assert_type(error.name, str) + assert_type(error.check, str) + error.argument
    except VmalabError as error:
        return str(error)
    return ""


def machines() -> None:
    """Several processes, and calls in one go."""
    machine = Machine("6.12", sysctl={"vm.max_map_count": 1000})
    assert_type(machine.process(), AddressSpace)
    machine.add_file("/lib/libc.so", 0x1000)
    assert_type(machine.run([Call(1, "munmap", (0, 0x1000, 0, 0, 0, 0))]), list[int])
    AddressSpace(kernel="6.18", like=1234)
    AddressSpace(like="/tmp/maps")


def recordings(path: str) -> None:
    """What a recording answers."""
    recording = assert_type(Recording.open(path), Recording)
    assert_type(recording.images, tuple[str, ...])
    assert_type(recording.replay(), ReplayReport)
    assert_type(recording.why(at=12), WhyFindings)
    assert_type(recording.blame(0x1000, at="end"), BlameFindings)
    assert_type(recording.enomem(), Enomem)
    assert_type(recording.address_space(at="peak"), AddressSpace)
    assert_type(recording.timeline().peak.vmas, int)
    recording.whatif(drop=["madvise(MADV_NOHUGEPAGE)"], rlimits={"AS": 1 << 30}, thp="never")
    recording.diff(recording, by="function")


def watched() -> Recording:
    """The process that it runs in."""
    with watch() as seen:
        assert_type(seen, Watch)
    return assert_type(seen.recording, Recording)
