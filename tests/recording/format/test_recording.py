# SPDX-License-Identifier: GPL-2.0-or-later
"""A recording is found, opened and read piece by piece; nothing outside of it ever is."""

import gzip
import json
import os
from pathlib import Path

import pytest

from vmalab.calls.call import Call, Exit, Unparsed
from vmalab.calls.errors import ReadError
from vmalab.linux.include.uapi.resource import RLIM_INFINITY
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.format.steps import read_steps

STACK = "7ffde000-7ffff000 rw-p 00000000 00:00 0                                  [stack]"
FIRST = "7f0000000000-7f0000002000 rw-p 00000000 00:00 0 "
GROWN = "7f0000000000-7f0000003000 rw-p 00000000 00:00 0 "
LOG = """\
50 execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0
50 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000
50 mremap(0x7f0000000000, 8192, 12288, MREMAP_MAYMOVE) = 0x7f0000000000
50 +++ exited with 0 +++
"""
STEPS = f"""\
@2 50 X mmap 1 0 1
{FIRST} | rd wr mr mw me ac\x20
@3 50 X mremap 1 1 1
{GROWN} | rd wr mr mw me ac\x20
"""
FLAGS = "\nVmFlags: rd wr mr mw me ac \n"
META = {
    "format": 1,
    "kernel": {"release": "6.18.44-x", "machine": "x86_64", "config": {"CONFIG_KSM": True}},
    "page_size": 4096,
    "sysctl": {"vm.max_map_count": 65530, "kernel.shm_rmid_forced": "0", "kernel.x": "y"},
    "thp": {"enabled": "madvise"},
    "min_addr_effective": 65536,
    "command": ["/bin/x"],
    "nodes": 0,
    "main_image": "50.1",
    "steps": "smaps",
    "events": [{"after_line": 0, "event": "exec", "pid": 50, "image": "50.1"}],
    "images": {
        "50.1": {
            "rlimits": {"STACK": [8388608, None]},
            "auxv": {"AT_BASE": "0x7fd4278a9000"},
            "mm": {"start_brk": "0x83c000"},
            "status": {"NoNewPrivs": 0, "Uid": "0\t0\t0\t0"},
            "anon_vma": ["0041f000-00420000"],
        },
        "51.0": {},
    },
    "counters": {"final": {"image": "50.1", "VmSize": 4468}},
    "whatever": {"is": ["new"]},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A recording of one small process."""
    image = tmp_path / "rec" / "images" / "50.1"
    image.mkdir(parents=True)
    (tmp_path / "rec" / "calls.strace").write_text(LOG)
    (tmp_path / "rec" / "meta.json").write_text(json.dumps(META))
    (image / "initial.smaps").write_text(STACK + FLAGS)
    (image / "checkpoint-2.smaps").write_text(FIRST + FLAGS + STACK + FLAGS)
    (image / "checkpoint-10.smaps.gz").write_bytes(gzip.compress((STACK + FLAGS).encode()))
    (image / "steps.txt.gz").write_bytes(gzip.compress(STEPS.encode()))
    (image / "final.smaps").write_text(STACK + FLAGS + GROWN + FLAGS)
    return tmp_path / "rec"


def test_log_is_read_and_counted(folder: Path) -> None:
    log = RecordingFiles(str(folder)).log()
    events = list(log)
    assert [type(event) for event in events] == [Call, Call, Call, Exit]
    assert (log.lines, log.unparsed, log.notes) == (4, 0, 0)
    assert len(list(log)) == 4


def test_meta_is_typed(folder: Path) -> None:
    recording = RecordingFiles(str(folder))
    meta = recording.meta
    assert recording.has_meta
    assert (meta.release, meta.kernel, meta.machine) == ("6.18.44-x", (6, 18), "x86_64")
    assert meta.config == {"CONFIG_KSM": True}
    assert meta.sysctl == {"vm.max_map_count": 65530, "kernel.shm_rmid_forced": 0, "kernel.x": "y"}
    assert (meta.command, meta.nodes, meta.main_image) == (("/bin/x",), "0", "50.1")
    assert [(event.event, event.pid, event.image) for event in meta.events] == [
        ("exec", 50, "50.1")
    ]
    assert meta.counters["final"].values == {"VmSize": 4468}
    assert (meta.total_ram_pages, meta.line_of_main_exec) == (None, None)


def test_meta_of_an_image_is_typed(folder: Path) -> None:
    image = RecordingFiles(str(folder)).meta.images["50.1"]
    assert image.rlimits == {"STACK": (8388608, RLIM_INFINITY)}
    assert image.auxv == {"AT_BASE": 0x7FD4278A9000}
    assert image.mm == {"start_brk": 0x83C000}
    assert image.status == {"NoNewPrivs": "0", "Uid": "0\t0\t0\t0"}
    assert image.anon_vma == ((0x41F000, 0x420000),)
    assert RecordingFiles(str(folder)).meta.images["51.0"].anon_vma is None


def test_images_have_their_files(folder: Path) -> None:
    recording = RecordingFiles(str(folder))
    assert list(recording.images) == ["50.1", "51.0"]
    image = recording.images["50.1"]
    assert (image.pid, image.execs, image.checkpoints) == (50, 1, [2, 10])
    assert [vma.text for vma in image.initial() or []] == [STACK]
    assert [vma.text for vma in image.checkpoint(2) or []] == [FIRST, STACK]
    assert [vma.text for vma in image.checkpoint(10) or []] == [STACK]
    assert image.checkpoint(3) is None


def test_image_without_files_has_nothing(folder: Path) -> None:
    image = RecordingFiles(str(folder)).images["51.0"]
    assert (image.initial(), image.final(), image.checkpoints, image.has_steps) == (
        None,
        None,
        [],
        False,
    )
    assert list(image.steps()) == []


def test_steps_lead_from_the_first_map_to_the_last(folder: Path) -> None:
    image = RecordingFiles(str(folder)).images["50.1"]
    assert image.has_steps
    lines = image.initial()
    assert lines is not None
    for step in image.steps():
        step.apply(lines)
    assert lines == image.final()


def test_step_that_does_not_fit_the_map_is_refused(folder: Path) -> None:
    step = list(RecordingFiles(str(folder)).images["50.1"].steps())[1]
    with pytest.raises(ValueError, match="line 3 takes lines 1 to 2 of a map of 1"):
        step.apply([step.new[0].line])


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("what\n", 1, "not the head of a step"),
        ("@1 50 X mmap 1 0 2\n" + FIRST + "\n", 2, "ends inside a step"),
        ("@1 50 X mmap 1 0 1\nwhat\n", 2, "not a line of a memory map"),
        ("@1 50 X mmap 1 0 9999999999\n", 1, "a step of 9999999999 lines"),
        ("@1 50 X mmap 1 0 1\n7f0000", 2, "without a newline"),
    ],
)
def test_wrong_step_is_located(tmp_path: Path, text: str, where: int, why: str) -> None:
    path = tmp_path / "steps.txt"
    path.write_text(text)
    with pytest.raises(ReadError) as caught:
        list(read_steps(str(path)))
    assert caught.value.line == where
    assert why in caught.value.why


def test_folder_with_a_log_alone_is_a_recording(tmp_path: Path) -> None:
    (tmp_path / "calls.strace.gz").write_bytes(gzip.compress(LOG.encode()))
    recording = RecordingFiles(str(tmp_path))
    assert (recording.has_meta, recording.images) == (False, {})
    assert recording.meta.kernel is None
    assert len(list(recording.log())) == 4


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_bare_log_is_a_recording(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "my.log"
    path.write_bytes(gzip.compress(LOG.encode()) if packed else LOG.encode())
    recording = RecordingFiles(str(path))
    assert (recording.has_meta, recording.images, recording.name) == (False, {}, "my.log")
    assert len(list(recording.log())) == 4


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"format": 3}, "format 3"),
        ({"page_size": "four"}, "page_size: a number"),
        ({"page_size": -1}, "page_size: a number"),
        ({"page_size": True}, "page_size: a number"),
        ({"total_ram_pages": 2**64}, "total_ram_pages: a number"),
        ({"total_ram_pages": 1.5}, "total_ram_pages: a number"),
        ({"kernel": []}, "kernel.: an object"),
        ({"kernel": {"release": []}}, "kernel.release: a string"),
        ({"events": {}}, "events: a list"),
        ({"events": [{"after_line": "x"}]}, "events[0].after_line: a number"),
        ({"events": [7]}, "events[0].: an object"),
        ({"images": {"50.1": {"rlimits": {"AS": [1]}}}}, "images.50.1.rlimits.AS: [soft, hard]"),
        ({"images": {"50.1": {"rlimits": {"AS": [1, "x"]}}}}, "[soft, hard]"),
        ({"images": {"50.1": {"anon_vma": ["x"]}}}, "images.50.1.anon_vma: a list"),
        ({"images": {"../x": {}}}, "an image called"),
        ({"command": [1]}, "command: a list"),
        ({"steps": "other"}, "steps: "),
        ({"sysctl": {"a": []}}, "sysctl.a: a number"),
    ],
    ids=str,
)
def test_meta_of_a_wrong_type_names_its_key(
    folder: Path, change: dict[str, object], key: str
) -> None:
    (folder / "meta.json").write_text(json.dumps(META | change))
    with pytest.raises(ReadError) as caught:
        RecordingFiles(str(folder))
    assert key in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"[" * 100000, b'{"a":' * 100000, b"\xff\xfe\xff", b'{"page_size": 1e400}'],
    ids=["empty", "open", "list", "deep list", "deep object", "no text", "infinite"],
)
def test_meta_that_is_no_json_object_is_refused(folder: Path, raw: bytes) -> None:
    (folder / "meta.json").write_bytes(raw)
    with pytest.raises(ReadError, match=r"meta\.json"):
        RecordingFiles(str(folder))


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no recording: neither"):
        RecordingFiles(str(tmp_path))
    with pytest.raises(ReadError, match="No such file"):
        RecordingFiles(str(tmp_path / "none"))
    with pytest.raises(ReadError, match="null"):
        RecordingFiles("a\0b")


def test_number_with_nothing_there_may_be_meant_for_a_process() -> None:
    with pytest.raises(ReadError, match=r"No such file.*`vmalab record -p 987654321 -o run`"):
        RecordingFiles("987654321")


@pytest.mark.parametrize("name", ["calls.strace", "meta.json", "images/50.1/initial.smaps"])
def test_link_inside_a_recording_is_not_followed(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / "outside")
    (folder / name).symlink_to(tmp_path / "outside")
    with pytest.raises(ReadError, match="symbolic link"):
        read_everything(folder)


@pytest.mark.parametrize("name", ["images", "images/50.1"])
def test_folder_that_is_a_link_is_not_followed(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / "outside")
    (folder / name).symlink_to(tmp_path / "outside")
    with pytest.raises(ReadError, match="symbolic link"):
        read_everything(folder)


def test_pipe_inside_a_recording_is_not_waited_for(folder: Path) -> None:
    (folder / "calls.strace").unlink()
    os.mkfifo(folder / "calls.strace")
    with pytest.raises(ReadError, match="not a plain file"):
        read_everything(folder)


def test_log_that_the_user_names_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder / "calls.strace")
    assert len(list(RecordingFiles(str(tmp_path / "link")).log())) == 4


def test_log_cut_in_a_line_gives_a_located_complaint(folder: Path) -> None:
    (folder / "calls.strace").write_text(LOG[:100])
    events = list(RecordingFiles(str(folder)).log())
    assert isinstance(events[-1], Unparsed)
    assert (len(events), events[-1].line) == (2, 2)


def test_log_whose_last_line_is_whole_needs_no_newline(folder: Path) -> None:
    (folder / "calls.strace").write_text(LOG.rstrip("\n"))
    assert isinstance(list(RecordingFiles(str(folder)).log())[-1], Exit)


def read_everything(folder: Path) -> None:
    recording = RecordingFiles(str(folder))
    list(recording.log())
    for image in recording.images.values():
        image.initial()
        image.final()
        list(image.steps())
