# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads meta.json: what a recording says about its kernel, its limits and its process images.

Unknown keys are ignored, missing ones are None or empty, a value of the wrong type is an error that
names its key.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from vmalab.calls.errors import ReadError
from vmalab.recording.format.fields import Fields
from vmalab.recording.format.filesystem import FileSystem, parse_file_system
from vmalab.recording.format.program import MAX_PHDRS, PHDR_FIELDS, MetaElf
from vmalab.recording.format.release import kernel_version
from vmalab.recording.json_text import parse_json
from vmalab.recording.readers.line_source import read_all

MAX_META: Final = 64 << 20
MAX_IMAGES: Final = 1 << 16
FORMATS: Final = (1, 2)


class MetaCounters(NamedTuple):
    """Lines of /proc/PID/status at a snapshot, in kB by name, and the image they are of."""

    image: str
    values: dict[str, int]


class MetaEvent(NamedTuple):
    """What happened to a process after `after_line` complete lines of the log.

    event: "exec", "fork" (new mm), "sharemm" (vfork, or CLONE_VM without CLONE_THREAD), "thread",
    "exit". pid, tid, tgid, ppid: 0 where not given. image: ID of the process image, "" for none.
    """

    after_line: int
    event: str
    pid: int
    tid: int
    tgid: int
    ppid: int
    image: str


class MetaImage(NamedTuple):
    """One process image (one mm). Addresses in bytes.

    rlimits: "AS", "DATA", "STACK", "MEMLOCK" -> (soft, hard), unlimited as RLIM_INFINITY.
    mm: start_brk, start_stack, ... at the start; final_mm at the end. status: fields of
    /proc/PID/status. anon_vma: ranges [start, end) of VMAs known to have an anon_vma at the start,
    None when not recorded. rmap: of each VMA its start, its page offset, which anon_vma it has (0:
    none), and whether it is chained to those of other processes; empty when not recorded.
    vdso_dropped: the program unmapped vdso and vvar before the recording.
    fds: what was open when the recording began: descriptor -> (name, O_* flags).
    program, interpreter: the headers of what exec loaded, None when not recorded, or when there is
    no interpreter. user_ns: "initial" or "other" user namespace, "" when not recorded.
    segments: of System V shared memory that were there: id -> key, mode, size, attachments, uid,
    gid, cuid, cgid. seals: of the memory files among fds. personality: None when not recorded.
    merge_any: whether PR_SET_MEMORY_MERGE was on. guards: ranges [start, end) of guard regions.
    """

    rlimits: Mapping[str, tuple[int, int]] = {}
    auxv: Mapping[str, int] = {}
    mm: Mapping[str, int] = {}
    final_mm: Mapping[str, int] = {}
    status: Mapping[str, str] = {}
    final_status: Mapping[str, str] = {}
    anon_vma: tuple[tuple[int, int], ...] | None = None
    rmap: tuple[tuple[int, ...], ...] = ()
    vdso_dropped: bool = False
    fds: Mapping[int, tuple[str, int]] = {}
    program: MetaElf | None = None
    interpreter: MetaElf | None = None
    user_ns: str = ""
    seals: Mapping[int, int] = {}
    segments: Mapping[int, tuple[int, ...]] = {}
    personality: int | None = None
    merge_any: bool = False
    guards: tuple[tuple[int, int], ...] = ()


class Meta(NamedTuple):
    """meta.json. Sizes in the unit their name says; None: not recorded.

    kernel: (6, 18) of release "6.18.44". build: what uname says of it besides. config: kernel
    options; sysctl: numbers where they are numbers. filesystems: by device, as maps prints it;
    mounts: by directory. steps: "smaps" or "maps", what steps.txt holds. counters: by snapshot
    name.
    credentials: "traced" when the log has every call that sets them.
    complete: whether the recorder came to its end. cut: why it did not, as far as it could tell.
    lost_events: how many found no room.
    """

    release: str = ""
    build: str = ""
    kernel: tuple[int, int] | None = None
    machine: str = "x86_64"
    config: Mapping[str, object] = {}
    page_size: int = 4096
    total_ram_pages: int | None = None
    swap_total_kb: int | None = None
    commit_limit_kb: int | None = None
    committed_as_kb: int | None = None
    hugepagesize_kb: int | None = None
    cpus: int | None = None
    stack_guard_gap_pages: int | None = None
    min_addr_effective: int | None = None
    nodes: str = ""
    pkeys: str = ""
    user: str = ""
    credentials: str = ""
    inodes: str = ""
    steps: str = "smaps"
    main_image: str = ""
    line_of_main_exec: int | None = None
    command: tuple[str, ...] = ()
    sysctl: Mapping[str, int | str] = {}
    filesystems: Mapping[str, FileSystem] = {}
    mounts: Mapping[str, FileSystem] = {}
    thp: Mapping[str, str] = {}
    rlimits: Mapping[str, tuple[int, int]] = {}
    generator: Mapping[str, str] = {}
    events: tuple[MetaEvent, ...] = ()
    images: Mapping[str, MetaImage] = {}
    counters: Mapping[str, MetaCounters] = {}
    complete: bool | None = None
    cut: str = ""
    lost_events: int = 0


def _event(fields: Fields) -> MetaEvent:
    return MetaEvent(
        after_line=fields.number_or("after_line", 0),
        event=fields.text("event"),
        pid=fields.number_or("pid", 0),
        tid=fields.number_or("tid", 0),
        tgid=fields.number_or("tgid", 0),
        ppid=fields.number_or("ppid", 0),
        image=fields.text("image"),
    )


def _elf(fields: Fields, key: str) -> MetaElf | None:
    if fields.get(key) is None:
        return None
    file = fields.child(key)
    size = file.number("size")
    phdrs = tuple(file.rows("phdrs", PHDR_FIELDS))
    if len(phdrs) > MAX_PHDRS:
        raise file.wrong("phdrs", f"no more than {MAX_PHDRS} rows")
    return MetaElf(
        path=file.text("path"),
        dev=file.text("dev"),
        inode=file.number_or("inode", 0),
        size=-1 if size is None else size,
        type=file.number_or("type", 0),
        machine=file.number_or("machine", 0),
        entry=file.number_or("entry", 0),
        interp=file.text("interp"),
        phdrs=phdrs,
    )


def _descriptors(fields: Fields) -> dict[int, tuple[str, int]]:
    found = {}
    for key in fields.names():
        value = fields.items(key)
        name, flags = value if len(value) == 2 else (None, None)
        known = key.isdecimal() and key.isascii() and len(key) < 10
        if not known or not isinstance(name, str) or not isinstance(flags, int):
            raise fields.wrong(key, "a descriptor's [name, flags]")
        found[int(key)] = (name, flags)
    return found


def _seals(fields: Fields) -> dict[int, int]:
    names = (key for key in fields.names() if key.isdecimal() and key.isascii() and len(key) < 10)
    return {int(key): fields.number_or(key, 0) & 0xFF for key in names}


def _segments(fields: Fields) -> dict[int, tuple[int, ...]]:
    found: dict[int, tuple[int, ...]] = {}
    for key in fields.names():
        row = fields.items(key)
        values = tuple(value for value in row if isinstance(value, int) and 0 <= value < 1 << 63)
        if not (
            key.isascii() and key.isdecimal() and len(key) < 10 and len(values) == len(row) == 8
        ):
            raise fields.wrong(key, "a segment's eight numbers")
        found[int(key)] = values
    return found


def _personality(text: str) -> int | None:
    known = 0 < len(text) <= 8 and set(text) <= set("0123456789abcdef")
    return int(text, 16) if known else None


def _image(fields: Fields) -> MetaImage:
    return MetaImage(
        rlimits=fields.child("rlimits").limits(),
        auxv=fields.child("auxv").numbers(),
        mm=fields.child("mm").numbers(),
        final_mm=fields.child("final_mm").numbers(),
        status=fields.child("status").texts(),
        final_status=fields.child("final_status").texts(),
        anon_vma=fields.ranges("anon_vma"),
        rmap=tuple(fields.rows("rmap", 4)),
        vdso_dropped=fields.get("vdso_dropped") is True,
        fds=_descriptors(fields.child("fds")),
        program=_elf(fields.child("elf"), "program"),
        interpreter=_elf(fields.child("elf"), "interpreter"),
        user_ns=fields.text("user_ns"),
        seals=_seals(fields.child("seals")),
        segments=_segments(fields.child("segments")),
        personality=_personality(fields.text("personality")),
        merge_any=fields.boolean("merge_any") is True,
        guards=fields.ranges("guards") or (),
    )


def _counters(fields: Fields) -> dict[str, MetaCounters]:
    found = {}
    for name in fields.names():
        snapshot = fields.child(name)
        values = {
            key: snapshot.number_or(key, 0) for key in snapshot.names() if key.startswith("Vm")
        }
        found[name] = MetaCounters(snapshot.text("image"), values)
    return found


def _file_systems(fields: Fields) -> dict[str, FileSystem]:
    found = {}
    for dev, words in fields.texts().items():
        fs = parse_file_system(words)
        if fs is None:
            raise fields.wrong(dev, "TYPE[,OPTION...]")
        found[dev] = fs
    return found


def _command(fields: Fields) -> tuple[str, ...]:
    found = []
    for item in fields.items("command"):
        if not isinstance(item, str):
            raise fields.wrong("command", "a list of strings")
        found.append(item)
    return tuple(found)


def parse_meta(raw: bytes, path: str) -> Meta:
    """Errors: ReadError, which names `path` and the key."""
    top = Fields(path, "", parse_json(raw, path))
    version = top.number("format")
    if version is not None and version not in FORMATS:
        raise ReadError(path, 0, f"format {version}; this program reads formats 1 and 2")
    kernel = top.child("kernel")
    config = kernel.child("config")
    release = kernel.text("release")
    images = top.child("images")
    if len(images.names()) > MAX_IMAGES:
        raise top.wrong("images", f"no more than {MAX_IMAGES} images")
    steps = top.text("steps", "smaps")
    if steps not in ("smaps", "maps"):
        raise top.wrong("steps", '"smaps" or "maps"')
    return Meta(
        release=release,
        build=kernel.text("version"),
        kernel=kernel_version(release),
        machine=kernel.text("machine", "x86_64"),
        config={key: config.get(key) for key in config.names()},
        page_size=top.number_or("page_size", 4096),
        total_ram_pages=top.number("total_ram_pages"),
        swap_total_kb=top.number("swap_total_kb"),
        commit_limit_kb=top.number("commit_limit_kb"),
        committed_as_kb=top.number("committed_as_kb"),
        hugepagesize_kb=top.number("hugepagesize_kb"),
        cpus=top.number("cpus"),
        stack_guard_gap_pages=top.number("stack_guard_gap_pages"),
        min_addr_effective=top.number("min_addr_effective"),
        nodes=top.text("nodes"),
        pkeys=top.text("pkeys"),
        user=top.text("user"),
        credentials=top.text("credentials"),
        inodes=top.text("inodes"),
        steps=steps,
        main_image=top.text("main_image"),
        line_of_main_exec=top.number("line_of_main_exec"),
        command=_command(top),
        sysctl=top.child("sysctl").mixed(),
        filesystems=_file_systems(top.child("filesystems")),
        thp=top.child("thp").texts(),
        rlimits=top.child("rlimits").limits(),
        generator=top.child("generator").texts(),
        events=tuple(_event(item) for item in top.objects("events")),
        images={name: _image(images.child(name)) for name in images.names()},
        counters=_counters(top.child("counters")),
        complete=top.boolean("complete"),
        cut=top.text("cut"),
        lost_events=top.number_or("lost_events", 0),
    )


def read_meta(path: str) -> Meta:
    """meta.json of a recording. Errors: ReadError."""
    return parse_meta(read_all(path, MAX_META), path)
