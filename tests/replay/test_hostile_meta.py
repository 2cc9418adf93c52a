# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever meta.json says, and of whatever type, a replay ends with figures or with a message."""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from vmalab.calls.errors import VmalabError
from vmalab.explain.blame.watcher import Blame
from vmalab.explain.history.history import History
from vmalab.explain.whatif.changes import Changes
from vmalab.explain.whatif.comparison import what_if
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay

from ..small_recordings import Make

Use = Callable[[RecordingFiles], None]

# Each in the place of each value.
HOSTILE: list[Any] = [
    None,
    True,
    -1,
    1 << 63,
    (1 << 64) - 1,
    -(1 << 63),
    10**400,
    1.5,
    "",
    "x\x1b\udcff",
    "\ud800",
    "18446744073709551615",
    "0x" + "f" * 16,
    [],
    [-1, 1 << 64],
    {},
    {"": {"": []}},
]
META: dict[str, Any] = {
    "format": 1,
    "kernel": {
        "release": "6.18.44",
        "machine": "x86_64",
        "config": {"CONFIG_SWAP": True, "CONFIG_ANON_VMA_NAME": True},
    },
    "page_size": 4096,
    "total_ram_pages": 1 << 20,
    "swap_total_kb": 0,
    "commit_limit_kb": 1 << 20,
    "committed_as_kb": 4096,
    "hugepagesize_kb": 2048,
    "cpus": 4,
    "stack_guard_gap_pages": 256,
    "min_addr_effective": 65536,
    "nodes": "0-1",
    "pkeys": "yes",
    "user": "root",
    "inodes": "stable",
    "steps": "smaps",
    "main_image": "50.1",
    "line_of_main_exec": 1,
    "command": ["/bin/x", "y"],
    "sysctl": {
        "kernel.randomize_va_space": 2,
        "kernel.io_uring_disabled": 0,
        "vm.admin_reserve_kbytes": 8192,
        "vm.legacy_va_layout": 0,
        "vm.max_map_count": 65530,
        "vm.memfd_noexec": 0,
        "vm.mmap_min_addr": 65536,
        "vm.nr_hugepages": 1,
        "vm.nr_overcommit_hugepages": 1,
        "vm.overcommit_memory": 2,
        "vm.user_reserve_kbytes": 131072,
    },
    "thp": {"enabled": "madvise", "shmem_enabled": "never", "use_zero_page": "1"},
    "rlimits": {"AS": [1 << 40, None], "MEMLOCK": [65536, 65536]},
    "events": [
        {"after_line": 0, "event": "exec", "pid": 50, "image": "50.1"},
        {"after_line": 8, "event": "fork", "pid": 51, "tid": 51, "ppid": 50, "image": "51.0"},
        {"after_line": 10, "event": "exit", "pid": 51, "tid": 51, "tgid": 51},
    ],
    "images": {
        "50.1": {
            "rlimits": {"STACK": [8388608, None], "DATA": [1 << 40, None]},
            "auxv": {"AT_BASE": "0x7f0000100000"},
            "mm": {
                "arg_start": "0x7ffd00020000",
                "brk": "0x555555560000",
                "end_code": "0x555555556000",
                "start_brk": "0x555555560000",
                "start_code": "0x555555554000",
                "start_stack": "0x7ffd0001ff00",
            },
            "final_mm": {"brk": "0x555555560000"},
            "status": {"Uid": "0\t0\t0\t0", "CapEff": "000001ffffffffff"},
            "final_status": {"VmSize": "100 kB"},
            "anon_vma": ["7ffd00000000-7ffd00021000"],
            "vdso_dropped": True,
            "fds": {"3": ["/f", 2]},
            "elf": {
                "program": {
                    "path": "/bin/x",
                    "dev": "fe:00",
                    "inode": 10,
                    "size": 8192,
                    "type": 3,
                    "machine": 62,
                    "entry": 0x1000,
                    "interp": "",
                    "phdrs": [[1, 5, 0, 0, 8192, 8192, 4096]],
                }
            },
        },
        "51.0": {},
    },
    "counters": {"final": {"image": "50.1", "VmSize": 100, "VmLck": 0}},
}
LOG = """\
50 execve("/bin/x", ["x"], 0x1) = 0
50 brk(NULL) = 0x555555560000
50 brk(0x555555570000) = 0x555555570000
50 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000
50 mmap(NULL, 2097152, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB, -1, 0) = 0x7effffe00000
50 mmap(0x10000, 4096, PROT_NONE, MAP_SHARED, 3, 0) = 0x10000
50 mlock(0x7f0000000000, 4096) = 0
50 clone(child_stack=NULL, flags=SIGCHLD) = 51
51 mremap(0x7f0000000000, 8192, 65536, MREMAP_MAYMOVE) = 0x7efffff00000
51 exit_group(0) = ?
50 io_uring_setup(4, {flags=0}) = 4
50 prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, 0x7f0000000000, 4096, "n") = 0
50 munmap(0x7f0000000000, 4096) = 0
"""


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to each value within another, those that hold values among them."""
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """META with another value at one place."""
    found = copy.deepcopy(META)
    inner: Any = found
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return found


def run(recording: RecordingFiles) -> None:
    """Replay with all that can observe it."""
    total = Replay(recording, Options(story=True, maps=True, observers=(Blame(), History()))).run()
    figures = total.total
    assert figures.predicted + figures.adopted + figures.differ == figures.memory_calls


def foretell(recording: RecordingFiles) -> None:
    """Replay twice, side by side."""
    what_if(recording, Changes(thp="always", rlimits={"AS": 1 << 30}), Options())


def try_all(folder: Path, path: tuple[str | int, ...], use: Use) -> None:
    """Give meta.json each hostile value at a place, in turn."""
    for value in HOSTILE:
        text = json.dumps(changed(path, value))
        (folder / "meta.json").write_text(text, "utf-8")
        try:
            with suppress(VmalabError):
                use(RecordingFiles(str(folder)))
        except Exception as error:
            raise AssertionError(f"{'.'.join(map(str, path))} = {value!r:.60}") from error


PLACES = list(places(META))


def name_of(path: tuple[str | int, ...]) -> str:
    """Return the name of a test by the place of its values."""
    return ".".join(map(str, path))


def test_the_recording_is_usable_as_it_is(make: Make) -> None:
    report = Replay(RecordingFiles(str(make(LOG, meta=META))), Options()).run()
    assert report.unparsed == 0
    assert report.calls_seen == len(LOG.splitlines())


@pytest.mark.parametrize("path", PLACES, ids=name_of)
def test_no_value_of_meta_json_is_a_defect(make: Make, path: tuple[str | int, ...]) -> None:
    try_all(make(LOG), path, run)


@pytest.mark.slow
@pytest.mark.parametrize("path", PLACES, ids=name_of)
def test_no_value_is_a_defect_of_whatif(make: Make, path: tuple[str | int, ...]) -> None:
    try_all(make(LOG), path, foretell)


@pytest.mark.parametrize("value", [1 << 64, -(1 << 63) - 1, 1.5, True, [], {}], ids=repr)
def test_a_setting_that_no_kernel_has_is_refused(make: Make, value: object) -> None:
    folder = make(LOG, meta=changed(("sysctl", "vm.max_map_count"), value))
    with pytest.raises(VmalabError, match=r"meta\.json: sysctl\.vm\.max_map_count: a number"):
        RecordingFiles(str(folder))


def test_the_largest_setting_bounds_nothing(make: Make) -> None:
    folder = make(LOG, meta=changed(("sysctl", "vm.max_map_count"), (1 << 64) - 1))
    report = Replay(RecordingFiles(str(make_again(folder, META))), Options()).run()
    as_recorded = report.total
    folder = make_again(folder, changed(("sysctl", "vm.max_map_count"), (1 << 64) - 1))
    assert (
        Replay(RecordingFiles(str(folder)), Options()).run().total.predicted
        == as_recorded.predicted
    )


def make_again(folder: Path, meta: dict[str, Any]) -> Path:
    """The same recording with another meta.json."""
    (folder / "meta.json").write_text(json.dumps(meta), "utf-8")
    return folder
