# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads meta.json: what a recording says about its kernel, its limits and its process images.

Unknown keys are ignored, missing ones are None or empty, a value of the wrong type is an error that
names its key.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from vmalab.calls.errors import ReadError
from vmalab.linux.include.uapi.resource import RLIM_INFINITY
from vmalab.recording.format.program import MAX_PHDRS, PHDR_FIELDS, MetaElf
from vmalab.recording.json_text import parse_json
from vmalab.recording.readers.line_source import read_all

MAX_META: Final = 64 << 20
MAX_IMAGES: Final = 1 << 16
_U64: Final = 1 << 64
_LOWEST: Final = -(1 << 63)

_RANGE = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,16})$", re.ASCII)
_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})", re.ASCII)


@dataclass(frozen=True, slots=True)
class MetaCounters:
    """Lines of /proc/PID/status at a snapshot, in kB by name, and the image they are of."""

    image: str
    values: dict[str, int]


@dataclass(frozen=True, slots=True)
class MetaEvent:
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


@dataclass(frozen=True, slots=True)
class MetaImage:
    """One process image (one mm). Addresses in bytes.

    rlimits: "AS", "DATA", "STACK", "MEMLOCK" -> (soft, hard), unlimited as RLIM_INFINITY.
    mm: start_brk, start_stack, ... at the start; final_mm at the end. status: fields of
    /proc/PID/status. anon_vma: ranges [start, end) of VMAs known to have an anon_vma at the start,
    None when not recorded. vdso_dropped: the program unmapped vdso and vvar before the recording.
    fds: what was open when the recording began: descriptor -> (name, O_* flags).
    program, interpreter: the headers of what exec loaded, None when not recorded, or when there is
    no interpreter. user_ns: "initial" or "other" user namespace, "" when not recorded.
    """

    rlimits: dict[str, tuple[int, int]] = field(default_factory=dict)
    auxv: dict[str, int] = field(default_factory=dict)
    mm: dict[str, int] = field(default_factory=dict)
    final_mm: dict[str, int] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    final_status: dict[str, str] = field(default_factory=dict)
    anon_vma: tuple[tuple[int, int], ...] | None = None
    vdso_dropped: bool = False
    fds: dict[int, tuple[str, int]] = field(default_factory=dict)
    program: MetaElf | None = None
    interpreter: MetaElf | None = None
    user_ns: str = ""


@dataclass(frozen=True, slots=True)
class Meta:
    """meta.json. Sizes in the unit their name says; None: not recorded.

    kernel: (6, 18) of release "6.18.44". config: kernel options; sysctl: numbers where they are
    numbers. steps: "smaps" or "maps", what steps.txt holds. counters: by snapshot name.
    credentials: "traced" when the log has every call that sets them.
    complete: whether the recorder came to its end. cut: why it did not, as far as it could tell.
    """

    release: str = ""
    kernel: tuple[int, int] | None = None
    machine: str = "x86_64"
    config: dict[str, object] = field(default_factory=dict)
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
    sysctl: dict[str, int | str] = field(default_factory=dict)
    thp: dict[str, str] = field(default_factory=dict)
    rlimits: dict[str, tuple[int, int]] = field(default_factory=dict)
    generator: dict[str, str] = field(default_factory=dict)
    events: tuple[MetaEvent, ...] = ()
    images: dict[str, MetaImage] = field(default_factory=dict)
    counters: dict[str, MetaCounters] = field(default_factory=dict)
    complete: bool | None = None
    cut: str = ""


class _Fields:
    """One JSON object, asked for values of a type; errors name the key from the top."""

    def __init__(self, path: str, where: str, value: object) -> None:
        self._path = path
        self._where = where
        if not isinstance(value, dict):
            raise ReadError(path, 0, f"{where or 'the file'}: an object expected")
        self._value: dict[str, object] = value

    def names(self) -> list[str]:
        return list(self._value)

    def wrong(self, key: str, expected: str) -> ReadError:
        found = str(self._value.get(key))[:40]
        return ReadError(self._path, 0, f"{self._where}{key}: {expected} expected, not {found!r}")

    def get(self, key: str) -> object:
        return self._value.get(key)

    def child(self, key: str) -> "_Fields":
        value = self._value.get(key)
        return _Fields(self._path, f"{self._where}{key}.", {} if value is None else value)

    def items(self, key: str) -> list[object]:
        value = self._value.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(key, "a list")
        return value

    def objects(self, key: str) -> list["_Fields"]:
        return [
            _Fields(self._path, f"{self._where}{key}[{index}].", value)
            for index, value in enumerate(self.items(key))
        ]

    def text(self, key: str, default: str = "") -> str:
        """Return a string; a number or boolean as its text."""
        value = self._value.get(key)
        if value is None:
            return default
        if not isinstance(value, str | int):
            raise self.wrong(key, "a string")
        return str(value)

    def boolean(self, key: str) -> bool | None:
        """True or false."""
        value = self._value.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def number(self, key: str) -> int | None:
        """Return a number from 0 to 2**64 - 1, also written as "0x..."."""
        value = self._value.get(key)
        if value is None:
            return None
        if isinstance(value, str):
            try:
                value = int(value, 0) if len(value) <= 32 else None
            except ValueError:
                value = None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _U64:
            raise self.wrong(key, "a number below 2**64")
        return value

    def number_or(self, key: str, default: int) -> int:
        value = self.number(key)
        return default if value is None else value

    def numbers(self) -> dict[str, int]:
        """Return all values, as numbers; nulls left out."""
        found = {}
        for key in self._value:
            value = self.number(key)
            if value is not None:
                found[key] = value
        return found

    def texts(self) -> dict[str, str]:
        """Return all values, as texts."""
        return {key: self.text(key) for key in self._value}

    def mixed(self) -> dict[str, int | str]:
        """All values: whole numbers as such (also those written as text), anything else as text."""
        found: dict[str, int | str] = {}
        for key, value in self._value.items():
            if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 20:
                value = int(value)
            if isinstance(value, bool) or not isinstance(value, int | str):
                raise self.wrong(key, "a number or a string")
            if isinstance(value, int) and not _LOWEST <= value < _U64:
                raise self.wrong(key, "a number of 64 bits")
            found[key] = value
        return found

    def limits(self) -> dict[str, tuple[int, int]]:
        """Return all values as pairs (soft, hard); null is no limit."""
        found: dict[str, tuple[int, int]] = {}
        for key in self._value:
            pair = [_limit(item) for item in self.items(key)]
            if len(pair) != 2 or min(pair) < 0:
                raise self.wrong(key, "[soft, hard] in numbers below 2**64")
            found[key] = (pair[0], pair[1])
        return found

    def ranges(self, key: str) -> tuple[tuple[int, int], ...] | None:
        """Return a list of "start-end" in hexadecimal."""
        if self._value.get(key) is None:
            return None
        found = []
        for item in self.items(key):
            match = _RANGE.match(item) if isinstance(item, str) else None
            if match is None:
                raise self.wrong(key, "a list of start-end")
            found.append((int(match.group(1), 16), int(match.group(2), 16)))
        return tuple(found)

    def rows(self, key: str, width: int) -> list[tuple[int, ...]]:
        """Return a list of lists of `width` numbers from 0 to 2**64 - 1."""
        found = []
        for item in self.items(key):
            if not isinstance(item, list) or len(item) != width or min(map(_limit, item)) < 0:
                raise self.wrong(key, f"rows of {width} numbers below 2**64")
            found.append(tuple(map(_limit, item)))
        return found


def _limit(value: object) -> int:
    """Return a resource limit, null for none; -1 when it is no number below 2**64."""
    if value is None:
        return RLIM_INFINITY
    if not isinstance(value, int) or isinstance(value, bool):
        return -1
    return value if value < _U64 else -1


def _event(fields: _Fields) -> MetaEvent:
    return MetaEvent(
        after_line=fields.number_or("after_line", 0),
        event=fields.text("event"),
        pid=fields.number_or("pid", 0),
        tid=fields.number_or("tid", 0),
        tgid=fields.number_or("tgid", 0),
        ppid=fields.number_or("ppid", 0),
        image=fields.text("image"),
    )


def _elf(fields: _Fields, key: str) -> MetaElf | None:
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


def _descriptors(fields: _Fields) -> dict[int, tuple[str, int]]:
    found = {}
    for key in fields.names():
        value = fields.items(key)
        name, flags = value if len(value) == 2 else (None, None)
        known = key.isdecimal() and key.isascii() and len(key) < 10
        if not known or not isinstance(name, str) or not isinstance(flags, int):
            raise fields.wrong(key, "a descriptor's [name, flags]")
        found[int(key)] = (name, flags)
    return found


def _image(fields: _Fields) -> MetaImage:
    return MetaImage(
        rlimits=fields.child("rlimits").limits(),
        auxv=fields.child("auxv").numbers(),
        mm=fields.child("mm").numbers(),
        final_mm=fields.child("final_mm").numbers(),
        status=fields.child("status").texts(),
        final_status=fields.child("final_status").texts(),
        anon_vma=fields.ranges("anon_vma"),
        vdso_dropped=fields.get("vdso_dropped") is True,
        fds=_descriptors(fields.child("fds")),
        program=_elf(fields.child("elf"), "program"),
        interpreter=_elf(fields.child("elf"), "interpreter"),
        user_ns=fields.text("user_ns"),
    )


def _counters(fields: _Fields) -> dict[str, MetaCounters]:
    found = {}
    for name in fields.names():
        snapshot = fields.child(name)
        values = {
            key: snapshot.number_or(key, 0) for key in snapshot.names() if key.startswith("Vm")
        }
        found[name] = MetaCounters(snapshot.text("image"), values)
    return found


def _command(fields: _Fields) -> tuple[str, ...]:
    found = []
    for item in fields.items("command"):
        if not isinstance(item, str):
            raise fields.wrong("command", "a list of strings")
        found.append(item)
    return tuple(found)


def _version(release: str) -> tuple[int, int] | None:
    match = _VERSION.match(release)
    return None if match is None else (int(match.group(1)), int(match.group(2)))


def parse_meta(raw: bytes, path: str) -> Meta:
    """Errors: ReadError, which names `path` and the key."""
    top = _Fields(path, "", parse_json(raw, path))
    version = top.number("format")
    if version is not None and version != 1:
        raise ReadError(path, 0, f"format {version}; this program reads format 1")
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
        kernel=_version(release),
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
        thp=top.child("thp").texts(),
        rlimits=top.child("rlimits").limits(),
        generator=top.child("generator").texts(),
        events=tuple(_event(item) for item in top.objects("events")),
        images={name: _image(images.child(name)) for name in images.names()},
        counters=_counters(top.child("counters")),
        complete=top.boolean("complete"),
        cut=top.text("cut"),
    )


def read_meta(path: str) -> Meta:
    """meta.json of a recording. Errors: ReadError."""
    return parse_meta(read_all(path, MAX_META), path)
