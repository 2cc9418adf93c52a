# SPDX-License-Identifier: GPL-2.0-or-later
"""The model as a target: built from a first map, told of descriptors, asked for results."""

import pytest

from vmalab.calls.call import Call, FdPath, TruncatedStr
from vmalab.calls.errors import UsageError
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.calls.vm_flag_words import UNKNOWN_WORD, bits_of_words
from vmalab.linux.include.mm_flags import VM_ACCOUNT, VM_MAYSHARE, VM_READ, VM_SHARED, VM_WRITE
from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.linux.mm.refusal import REFUSED_BY_NOTHING, REFUSED_HOLE
from vmalab.linux.mm.vma.validate import mm_violations
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.targets.model.capture import vmas_in
from vmalab.targets.model.model import NOT_MODELLED, ModelTarget
from vmalab.targets.model.versions import check_version, kernel_config, version_for
from vmalab.targets.model.vmflags import bits_of_line, flags_to_restore

from .conftest import FREE, IMAGE, LINES, apply, follow

# The first map.


def test_first_map_is_shown_as_it_was(target: ModelTarget, mm: Mm) -> None:
    shown = target.lines(mm)
    assert [line.text for line in shown] == [line.text for line in LINES[:-1]]
    assert [set(line.flags or ()) for line in shown] == [set(x.flags or ()) for x in LINES[:-1]]
    assert mm_violations(mm) == []


def test_layout_limits_and_credentials_are_the_recordings(target: ModelTarget, mm: Mm) -> None:
    assert (mm.start_brk, mm.brk) == (0x555555560000, 0x555555560000)
    assert mm.mmap_base == 0x7F0000102000
    task = target.task(50)
    assert task is not None
    assert (task.cred.uid, task.cred.cap_effective) == (1000, 0x1FFFEFFFFFF)
    assert task.signal.rlim_cur[3] == 8 << 20
    assert apply(target, "brk", 0) == 0x555555560000
    assert apply(target, "mmap", 0, 8192, 3, 0x22, 2**64 - 1, 0) == FREE


def test_without_randomisation_the_area_follows_from_the_stack_limit() -> None:
    fixed = ModelTarget(Meta(sysctl={"kernel.randomize_va_space": 0}), "6.18")
    assert fixed.execute(50, IMAGE, LINES[-2:]) == ""
    found = fixed.mm(50)
    assert found is not None
    assert found.mmap_base == 0x7FFFF7FFF000


def test_mappings_of_one_program_share_a_file(mm: Mm) -> None:
    code, data = vmas_in(mm, 0x555555554000, 0x555555557000)
    assert code.vm_file is data.vm_file
    assert code.vm_file is not None
    assert code.vm_file.f_count == 2


def test_only_the_stack_is_known_to_be_written_to(mm: Mm) -> None:
    written = [vma.vm_start for vma in vmas_in(mm, 0, 1 << 56) if vma.anon_vma is not None]
    assert written == [0x7FFD00000000]


def test_what_meta_says_of_faults_is_taken() -> None:
    told = MetaImage(anon_vma=((0x555555556000, 0x555555557000),))
    made = ModelTarget(Meta(), "6.18")
    made.execute(50, told, LINES)
    found = made.mm(50)
    assert found is not None
    written = [vma.vm_start for vma in vmas_in(found, 0, 1 << 56) if vma.anon_vma is not None]
    assert written == [0x555555556000]


@pytest.mark.parametrize(
    "lines",
    [
        [LINES[0], LINES[0]],
        [VmaLine(0x1001, 0x2000, "rw-p", 0, "00:00", 0, "")],
        [VmaLine(1 << 60, (1 << 60) + 4096, "rw-p", 0, "00:00", 0, "")],
    ],
    ids=["twice", "unaligned", "beyond the end"],
)
def test_first_map_that_cannot_be_is_named(lines: Snapshot) -> None:
    wrong = ModelTarget(Meta(), "6.18").execute(50, MetaImage(), lines)
    assert "is invalid" in wrong
    assert f"{lines[-1].start:x}" in wrong


# Calls and descriptors.


def test_unknown_call_is_not_modelled(target: ModelTarget) -> None:
    assert apply(target, "frobnicate", 1) == NOT_MODELLED
    assert not target.models("frobnicate")


def test_thread_that_is_not_there_has_no_result(target: ModelTarget) -> None:
    assert target.apply(Call(99, "brk")) == NOT_MODELLED


def test_refusal_is_noted_until_the_next_call(target: ModelTarget) -> None:
    refusal = target.machine.kernel.refusal
    assert apply(target, "mprotect", FREE, 4096, 1) == -ENOMEM
    assert refusal.check == REFUSED_HOLE
    assert apply(target, "mmap", FREE, 4096, 3, 0x32, 2**64 - 1, 0) == FREE
    assert refusal.check == REFUSED_BY_NOTHING


def test_32_bit_variant_is_the_same_call(target: ModelTarget) -> None:
    assert apply(target, "mmap2", 0, 4096, 3, 0x22, 2**64 - 1, 0) == FREE + 4096


def files(target: ModelTarget) -> dict[int, str]:
    task = target.task(50)
    assert task is not None
    return {fd: file.path for fd, file in task.files.fdt.items()}


def test_descriptors_are_what_the_log_says(target: ModelTarget) -> None:
    follow(target, "openat", 7, 2**64 - 100, 0, 0, mem={1: "/a"})
    follow(target, "open", 4, 0, 0, mem={0: "/b/../c"})
    follow(target, "dup2", 9, 7, 9)
    follow(target, "fcntl", 11, 4, 0)
    follow(target, "close", 0, 7)
    assert files(target) == {4: "/c", 9: "/a", 11: "/c"}


def test_calls_that_failed_leave_descriptors_alone(target: ModelTarget) -> None:
    follow(target, "openat", -2, 2**64 - 100, 0, 0, mem={1: "/a"})
    follow(target, "close", -9, 3)
    assert files(target) == {}


def test_path_behind_a_descriptor_is_used_where_the_log_has_it(target: ModelTarget) -> None:
    target.follow(Call(50, "openat", (8, 0, 0, 0, 0, 0), ret=3, ret_mem=FdPath("/real")))
    assert files(target) == {3: "/real"}


def test_path_behind_a_descriptor_is_used_where_the_tracer_cut_the_string(
    target: ModelTarget,
) -> None:
    for fd, path in ((3, "/opt/lib/a"), (4, "/opt/lib/b")):
        mem = {1: TruncatedStr("/opt/li")}
        args = (-100 & (1 << 64) - 1, 0, 0, 0, 0, 0)
        target.follow(Call(50, "openat", args, mem=mem, ret=fd, ret_mem=FdPath(path)))
    assert files(target) == {3: "/opt/lib/a", 4: "/opt/lib/b"}


def test_pairs_and_what_has_no_file(target: ModelTarget) -> None:
    follow(target, "pipe2", 0, mem={0: [5, 6]})
    follow(target, "socket", 8)
    follow(target, "memfd_create", 12, 0, 0, mem={0: "x"})
    assert files(target).keys() == {5, 6, 8, 12}
    assert files(target)[12] == "/memfd:x (deleted)"


def test_copy_of_an_unknown_descriptor_is_unknown(target: ModelTarget) -> None:
    follow(target, "open", 4, 0, 0, mem={0: "/b"})
    follow(target, "dup2", 4, 30, 4)
    assert files(target) == {}


def test_segment_has_the_id_of_the_log(target: ModelTarget) -> None:
    follow(target, "shmget", 32770, 0, 8192, 0o1600)
    assert apply(target, "shmat", 0, 0, 0) < 0
    assert apply(target, "shmat", 32770, 0, 0) == FREE


# Kernels.


def test_own_version_is_the_default() -> None:
    assert version_for(Meta(), None) == "6.18"
    assert version_for(Meta(kernel=(6, 18)), None) == "6.18"
    assert version_for(Meta(kernel=(6, 18)), "6.19") == "6.19"


@pytest.mark.parametrize(
    ("release", "asked", "shows"),
    [
        ("6.18.15+deb13-cloud-amd64", "6.18", False),
        ("6.18.44", "6.18", True),
        ("6.18.15", "6.19", True),
        ("6.18", "6.18", True),
        ("6.18.0-5-cloud-amd64", "6.18", True),
    ],
)
def test_a_point_release_of_the_recorded_series_has_what_it_had(
    release: str, asked: str, shows: bool
) -> None:
    meta = Meta(release=release, kernel=(6, 18))
    assert kernel_config(meta, asked).features.guard_flag is shows


@pytest.mark.parametrize("version", ["5.4", "", "6.18.1.2", "7.4.1", "06.1", "x" * 99])
def test_unknown_version_is_refused_with_the_known_ones(version: str) -> None:
    with pytest.raises(UsageError, match=r"there is one of .*6\.18"):
        check_version(version)


def test_settings_of_the_machine_are_the_recordings() -> None:
    meta = Meta(
        sysctl={"vm.max_map_count": 70, "vm.overcommit_memory": 2},
        thp={"enabled": "always"},
        config={"CONFIG_MEM_SOFT_DIRTY": True},
        total_ram_pages=1000,
        commit_limit_kb=4000,
        min_addr_effective=4096,
        nodes="0-1",
        pkeys="yes",
    )
    config = kernel_config(meta, "6.18")
    assert (config.max_map_count, config.overcommit_memory) == (70, 2)
    assert (config.thp_enabled, config.soft_dirty, config.pkeys) == ("always", True, True)
    assert (config.total_ram_pages, config.commit_limit) == (1000, 1000)
    assert (config.mmap_min_addr, config.numa_nodes) == (4096, 2)


def stack_line(name: str, *flags: str) -> VmaLine:
    return VmaLine(1 << 40, (1 << 40) + 8192, "rw-p", 0, "00:00", 0, name, ("rd", "wr", *flags))


@pytest.mark.parametrize(
    ("told", "line", "found"),
    [
        ({}, stack_line("", "sd"), (True, False)),
        ({"CONFIG_MEM_SOFT_DIRTY": None}, stack_line("", "ac", "sd"), (True, False)),
        ({"CONFIG_MEM_SOFT_DIRTY": False}, stack_line("", "sd"), (False, False)),
        ({}, stack_line("[anon:arena]"), (False, True)),
        ({"CONFIG_ANON_VMA_NAME": False}, stack_line("[anon:arena]"), (False, False)),
        ({}, stack_line("[heap]", "ac"), (False, False)),
    ],
)
def test_a_map_tells_options_that_the_recording_does_not(
    told: dict[str, object], line: VmaLine, found: tuple[bool, bool]
) -> None:
    target = ModelTarget(Meta(config=told), "6.18")
    target.execute(1, MetaImage(), [line])
    config = target.machine.config
    assert (config.soft_dirty, config.anon_vma_name) == found


# Flags.


def test_words_and_permissions_as_bits() -> None:
    assert bits_of_words(("rd", "wr", "ac")) == VM_READ | VM_WRITE | VM_ACCOUNT
    assert bits_of_words(("rd", "zz")) == VM_READ | UNKNOWN_WORD
    line = VmaLine(0, 4096, "r--s", 0, "00:00", 0, "")
    assert bits_of_line(line) == VM_READ | VM_MAYSHARE
    assert flags_to_restore(line) & VM_SHARED
