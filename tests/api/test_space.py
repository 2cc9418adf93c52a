# SPDX-License-Identifier: GPL-2.0-or-later
"""Address spaces called from Python: results, errors, and what they print."""

import errno
import mmap
import os
import pickle
from pathlib import Path

import pytest

import vmalab
from vmalab import AddressSpace, CallRefused, Machine, Maps, VmalabError
from vmalab.recording.readers.maps import parse_maps

PAGE = 4096


def test_three_lines_make_a_map() -> None:
    space = AddressSpace(kernel="6.18")
    start = space.mmap(0, 4 * PAGE)
    space.mprotect(start + PAGE, PAGE, "r")
    assert str(space) == (
        f"{start:x}-{start + PAGE:x} rw-p 00000000 00:00 0 \n"
        f"{start + PAGE:x}-{start + 2 * PAGE:x} r--p 00000000 00:00 0 \n"
        f"{start + 2 * PAGE:x}-{start + 4 * PAGE:x} rw-p 00000000 00:00 0 "
    )


def test_flags_are_numbers_or_names() -> None:
    space = AddressSpace()
    by_name = space.mmap(0, PAGE, "PROT_READ | PROT_EXEC", "MAP_SHARED|MAP_ANONYMOUS")
    by_word = space.mmap(0, PAGE, "r-x", "shared|anonymous")
    flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS
    by_number = space.mmap(0, PAGE, mmap.PROT_READ | mmap.PROT_EXEC, flags)
    shown = {line.perms for at in (by_name, by_word, by_number) if (line := space.at(at))}
    assert shown == {"r-xs"}


@pytest.mark.parametrize(
    ("prot", "shown"),
    [("", None), ("none", "---p"), ("---", "---p"), ("w", "-w-p"), ("rwx", "rwxp"), (0, "---p")],
)
def test_protections(prot: str | int, shown: str | None) -> None:
    space = AddressSpace()
    if shown is None:
        with pytest.raises(ValueError, match="prot: no constant"):
            space.mmap(0, PAGE, prot)
        return
    line = space.at(space.mmap(0, PAGE, prot))
    assert line is not None
    assert line.perms == shown


def test_a_refusal_says_which_check_it_was() -> None:
    space = Machine(sysctl={"vm.max_map_count": 2}).process()
    start = space.mmap(0, 3 * PAGE)
    with pytest.raises(CallRefused) as caught:
        space.mprotect(start + PAGE, PAGE, "none")
    error = caught.value
    assert isinstance(error, OSError)
    assert (error.errno, error.name) == (errno.ENOMEM, "ENOMEM")
    assert "vm.max_map_count" in error.check
    assert str(error).startswith("[Errno 12] mprotect(0x")
    # Its first part was split off before the second split was refused.
    assert len(space) == 2
    again = pickle.loads(pickle.dumps(error))
    assert (again.errno, again.check, str(again)) == (error.errno, error.check, str(error))


def test_a_refusal_that_the_model_does_not_explain_has_no_check() -> None:
    space = AddressSpace()
    with pytest.raises(CallRefused) as caught:
        space.close(99)
    assert (caught.value.name, caught.value.check) == ("EBADF", "")
    assert str(caught.value) == "[Errno 9] close(99): Bad file descriptor"


def test_a_refusal_names_the_argument() -> None:
    with pytest.raises(CallRefused) as caught:
        AddressSpace().munmap(PAGE + 1, PAGE)
    assert (caught.value.name, caught.value.argument) == ("EINVAL", "addr")


@pytest.mark.parametrize(
    ("call", "error", "argument"),
    [
        (lambda space: space.mmap("0", PAGE), TypeError, "addr"),
        (lambda space: space.mmap(0, 1 << 64), ValueError, "length"),
        (lambda space: space.mmap(0, True), TypeError, "length"),
        (lambda space: space.mmap(0, PAGE, "rw", "MAP_NOSUCH"), ValueError, "flags"),
        (lambda space: space.madvise(0, PAGE, "sleep"), ValueError, "advice"),
        (lambda space: space.call("mmap", 1, 2, 3, 4, 5, 6, 7), ValueError, "mmap"),
        (lambda space: AddressSpace("6.18", machine=space.machine), TypeError, "kernel"),
        (lambda space: AddressSpace(like=1.5), TypeError, "like"),
        (lambda space: space.machine.run([1]), TypeError, r"calls\[0\]"),
        (lambda space: space.machine.run(["munmap"]), TypeError, r"calls\[0\]"),
        (lambda space: AddressSpace(kernel=6.18), TypeError, "kernel"),
        (lambda space: space.call(5), TypeError, "name"),
        (lambda space: space.open(5), TypeError, "path"),
        (lambda space: space.memfd_create(5), TypeError, "name"),
        (lambda space: space.name(0, PAGE, 5), TypeError, "name"),
        (lambda space: space.machine.add_file(5, 5), TypeError, "path"),
        (lambda space: space.machine.add_file("/a", -1), ValueError, "size"),
        (lambda space: Machine(sysctl={"max_map_count": 1}), ValueError, "sysctl: 'max_map_count'"),
        (lambda space: Machine(sysctl={"vm.max_map_count": "1"}), TypeError, "vm.max_map_count"),
        (lambda space: Machine(sysctl={"vm.max_map_count": -1}), ValueError, "vm.max_map_count"),
    ],
)
def test_misuse_names_the_argument(call, error, argument) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(error, match=argument):
        call(AddressSpace())


def test_a_kernel_without_a_model() -> None:
    with pytest.raises(vmalab.VmalabError, match=r"no model of kernel '2\.6'"):
        AddressSpace(kernel="2.6")


def test_a_call_by_its_name() -> None:
    space = AddressSpace()
    start = space.call("mmap", 0, PAGE, 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    assert space.call("mincore", start, PAGE, start) == 0
    with pytest.raises(CallRefused) as caught:
        space.call("getpid")
    assert (caught.value.name, caught.value.check) == ("ENOSYS", "the model does not have it")


def test_touching_gives_an_anon_vma_that_keeps_neighbours_apart() -> None:
    space = AddressSpace()
    low = space.mmap(0x100000, PAGE, "rw", "private|anonymous|fixed")
    high = space.mmap(0x102000, PAGE, "rw", "private|anonymous|fixed")
    space.touch(low)
    space.touch(high)
    space.mmap(0x101000, PAGE, "r", "private|anonymous|fixed")
    space.mprotect(0x101000, PAGE, "rw")
    assert len(space) == 2
    with pytest.raises(CallRefused, match="write of 1 bytes at 0x1000"):
        space.touch(0x1000)


def test_the_break_grows_a_heap() -> None:
    space = AddressSpace()
    begin = space.brk()
    assert space.brk(begin + 2 * PAGE) == begin + 2 * PAGE
    assert [line.name for line in space.vmas] == ["[heap]"]


def test_names_locks_and_counters() -> None:
    space = AddressSpace()
    start = space.mmap(0, 4 * PAGE)
    space.name(start, PAGE, "arena")
    space.mlock(start, PAGE)
    found = space.at(start)
    assert found is not None
    assert found.name == "[anon:arena]"
    assert space.counters == {
        "vmas": 2,
        "total": 4 * PAGE,
        "data": 4 * PAGE,
        "locked": PAGE,
        "stack": 0,
        "charged": 4 * PAGE,
    }
    space.munlock(start, PAGE)
    space.name(start, PAGE, None)
    assert len(space) == 1


def test_files_are_shared_by_processes() -> None:
    machine = Machine("6.12")
    one, other = machine.process(), machine.process()
    machine.add_file("/data/index", 8 * PAGE)
    for space in (one, other):
        fd = space.open("/data/index", "RDONLY")
        space.mmap(0, 8 * PAGE, "r", "shared", fd)
        space.close(fd)
    assert one.vmas[0].name == other.vmas[0].name == "/data/index"
    assert one.pid != other.pid


def test_a_fork_copies_and_its_parent_stays() -> None:
    parent = AddressSpace()
    start = parent.mmap(0, PAGE)
    child = parent.fork()
    assert str(child) == str(parent)
    child.munmap(start, PAGE)
    assert (len(child), len(parent)) == (0, 1)
    child.exit()
    assert "has exited" in repr(child)
    with pytest.raises(CallRefused, match="No such process"):
        child.mmap(0, PAGE)
    with pytest.raises(CallRefused, match="No such process"):
        child.maps()


def test_like_a_live_process() -> None:
    space = AddressSpace(like=os.getpid())
    assert "[stack]" in {line.name for line in space.vmas}
    assert space.counters["vmas"] > 10
    release = os.uname().release.split(".")
    assert space.machine.kernel.split(".")[0] == release[0]
    before = len(space)
    start = space.mmap(0, 64 * PAGE, "none")
    assert len(space) >= before
    assert space.at(start) is not None


OVERLAPPING = (
    "00400000-00403000 r-xp 00000000 fe:00 12 /bin/x\n00402000-00405000 rw-p 00000000 00:00 0 \n"
)


def test_ranges_that_overlap_are_refused(tmp_path: Path) -> None:
    saved = tmp_path / "x.maps"
    saved.write_text(OVERLAPPING, "ascii")
    why = "the range 402000-405000 is invalid: it overlaps another"
    with pytest.raises(VmalabError, match=f"{saved}: {why}"):
        AddressSpace(like=str(saved))
    with pytest.raises(ValueError, match=why):
        AddressSpace(like=Maps(parse_maps(OVERLAPPING)))


def test_like_a_saved_map(tmp_path: Path) -> None:
    saved = tmp_path / "maps"
    saved.write_text("00400000-00401000 r-xp 00000000 fe:00 7 /bin/x\n")
    first = AddressSpace(like=str(saved))
    assert [line.name for line in first.vmas] == ["/bin/x"]
    second = AddressSpace(like=first.vmas)
    assert second.vmas == first.vmas
    with pytest.raises(vmalab.VmalabError, match="No such file"):
        AddressSpace(like=str(tmp_path / "none"))


def test_a_map_is_looked_up_and_shown() -> None:
    space = AddressSpace()
    places = [space.mmap(at << 20, PAGE, "r", "private|anonymous|fixed") for at in (1, 2, 3)]
    vmas = space.vmas
    assert [vmas.at(place) for place in places] == list(vmas)
    assert (vmas.at(0), vmas.at(places[0] + PAGE), vmas.at(1 << 40)) == (None, None, None)
    assert isinstance(vmas[1:], Maps)
    assert str(vmas[1:]) == "\n".join(str(line) for line in vmas[1:])
    assert repr(vmas) == f"<Maps: 3 VMAs, {3 * PAGE} bytes>"
    assert repr(vmas[0]) == "<00100000-00101000 r--p 00000000 00:00 0 [rd mr mw me]>"


def test_tables_for_notebooks_escape_names() -> None:
    machine = Machine()
    space = machine.process()
    machine.add_file("/tmp/<b>", PAGE)
    space.mmap(0, PAGE, "r", "private", space.open("/tmp/<b>", 0))
    table = space._repr_html_()
    assert "&lt;b&gt;" in table
    assert "<b>" not in table


def test_why_two_vmas_are_two() -> None:
    space = AddressSpace()
    start = space.mmap(0, 2 * PAGE)
    space.mprotect(start, PAGE, "r")
    why = space.why()
    assert (why.vmas, why.touching) == (2, 1)
    place = space.why(start)
    assert place.meetings[0].failing == ("flags",)
