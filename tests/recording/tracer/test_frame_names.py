# SPDX-License-Identifier: GPL-2.0-or-later
"""Places of stacks are named by their files and by maps of compiled code, within limits."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.recording.format.frames import FrameNames, Named
from vmalab.recording.symbol_names import demangled
from vmalab.recording.tracer.code_places import CodeFile, CodePlaces, OwnCode
from vmalab.recording.tracer.debug_files import debug_link
from vmalab.recording.tracer.elf_names import file_names
from vmalab.recording.tracer.frame_names import frame_lines
from vmalab.recording.tracer.perf_maps import own_code_names

SOURCE = """
static inline __attribute__((always_inline)) int inner(int n) { return n * 3; }
int outer(int n)
{
    int m = inner(n);
    return m + 1;
}
int main(void) { return outer(1); }
"""
Build = Callable[..., CodeFile]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Compiles the source, and holds the file as a recorder does."""

    def make(*flags: str, strip: bool = False) -> CodeFile:
        (tmp_path / "x.c").write_text(SOURCE)
        program = tmp_path / "x"
        subprocess.run(["gcc", *flags, "-o", program, tmp_path / "x.c"], check=True)
        symbols = subprocess.run(["nm", program], check=True, capture_output=True, text=True)
        rows = [line.split() for line in symbols.stdout.splitlines()]
        address = next(int(row[0], 16) for row in rows if row[-1] == "outer")
        base = 0x400000 if "-no-pie" in flags else 0
        if strip:
            split(program)
        fd = os.open(program, os.O_PATH | os.O_CLOEXEC)
        # All of its first instructions may be on a stack.
        places = {address - base + at for at in range(1, 24)}
        return CodeFile(str(program), 0, fd, -1, offsets=places)

    return make


def split(program: Path) -> None:
    """Move the debug information of a program to a file beside it."""
    for words in (
        ["objcopy", "--only-keep-debug", program, f"{program}.debug"],
        ["strip", program],
    ):
        subprocess.run(words, check=True)


def named(file: CodeFile) -> list[FrameNames]:
    found = file_names(file)
    os.close(file.fd)
    return list(found.values())


@pytest.mark.parametrize("kind", ["-pie", "-no-pie"])
@pytest.mark.parametrize("strip", [False, True], ids=["whole", "debug file beside"])
def test_functions_have_lines_and_what_is_inlined(build: Build, kind: str, strip: bool) -> None:
    found = named(build("-g", "-O0", kind, "-fPIE" if kind == "-pie" else "-fno-pie", strip=strip))
    assert {names.names[-1].function for names in found} == {"outer"}
    assert {names.names[-1].line for names in found} <= {4, 5, 6, 7}
    assert [name.function for names in found for name in names.names if len(names.names) > 1][
        :2
    ] == ["inner", "outer"]
    assert all(name.source.endswith("/x.c") for names in found for name in names.names)


def test_without_debug_information_there_are_names(build: Build) -> None:
    found = named(build("-O0"))
    assert {names.names for names in found} == {(Named("outer"),)}
    assert all("built without -g" in names.why for names in found)


def test_without_symbols_the_reason_is_said(build: Build, tmp_path: Path) -> None:
    file = build("-O0", strip=True)
    (tmp_path / "x.debug").unlink()
    found = named(file)
    assert {names.names for names in found} == {()}
    assert all("stripped" in names.why for names in found)


def test_a_debug_file_of_another_build_is_not_taken(build: Build, tmp_path: Path) -> None:
    build("-g", "-O1", strip=True)
    other = (tmp_path / "x.debug").read_bytes()
    file = build("-g", "-O0", "-DOTHER", strip=True)
    (tmp_path / "x.debug").write_bytes(other)
    assert all("stripped" in names.why for names in named(file))


LINKED = (
    ("-pie", "-fPIE", "-Wl,--build-id=none"),
    ("-pie", "-fPIE"),
)


@pytest.fixture(params=LINKED, ids=["no build ID", "build ID"])
def linked(build: Build, tmp_path: Path, request: pytest.FixtureRequest) -> CodeFile:
    """A file whose debug file has a name of its own, which only the file itself tells."""
    file = build("-g", "-O0", *request.param, strip=True)
    (tmp_path / "x.debug").rename(tmp_path / "other.dbg")
    words = ["objcopy", "--add-gnu-debuglink=other.dbg", "x", "linked"]
    subprocess.run(words, cwd=tmp_path, check=True)
    os.close(file.fd)
    file.fd = os.open(tmp_path / "linked", os.O_PATH | os.O_CLOEXEC)
    return file


def test_a_file_may_name_its_debug_file(linked: CodeFile) -> None:
    found = named(linked)
    assert {names.names[-1].function for names in found} == {"outer"}
    assert all(names.names[-1].source.endswith("/x.c") for names in found)


@pytest.mark.parametrize("linked", LINKED[:1], ids=["no build ID"], indirect=True)
def test_a_debug_file_with_another_checksum_is_not_taken(linked: CodeFile, tmp_path: Path) -> None:
    with (tmp_path / "other.dbg").open("ab") as file:
        file.write(b"more")
    assert all("stripped" in names.why for names in named(linked))


@pytest.mark.parametrize(
    "raw",
    [b"", b"x\0\0\0", b"/etc/passwd\0\0\0\0\0", b"..\0\0\0\0\0\0", b"x" * 5000, b"\0" * 8],
    ids=["empty", "no checksum", "a way", "a folder", "too long", "no name"],
)
def test_a_link_that_is_wrong_is_none(tmp_path: Path, build: Build, raw: bytes) -> None:
    os.close(build("-O0").fd)
    (tmp_path / "link").write_bytes(raw)
    words = ["objcopy", "--add-section", ".gnu_debuglink=link", "x", "linked"]
    subprocess.run(words, cwd=tmp_path, check=True)
    assert debug_link(str(tmp_path / "linked")) is None


@pytest.mark.parametrize("raw", [b"", b"\x7fELF", b"\x7fELF\x02" + b"\xff" * 4096])
def test_a_file_that_is_no_program_has_no_names(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x").write_bytes(raw)
    fd = os.open(tmp_path / "x", os.O_PATH)
    (names,) = named(CodeFile("x", 0, fd, -1, offsets={16}))
    assert names.why
    assert not names.names


def test_a_folder_or_a_device_is_not_opened() -> None:
    fd = os.open("/dev/null", os.O_PATH)
    (names,) = named(CodeFile("x", 0, fd, -1, offsets={16}))
    assert names.why == "not a plain file"


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("_ZN4pool5ArenaIiE4growEm", "pool::Arena<int>::grow(unsigned long)"),
        ("_ZN2os16pd_commit_memoryEPcmb", "os::pd_commit_memory(char*, unsigned long, bool)"),
        ("_ZN3app4grow17h0123456789abcdefE", "app::grow"),
        ("_RNvCs15kBYyAo9fc_7mycrate7example", "mycrate::example"),
        ("mmap64", "mmap64"),
        ("_Zwhat", "_Zwhat"),
        ("_Z" + "N" * 5000, "_Z" + "N" * 5000),
    ],
    ids=range(7),
)
def test_symbols_are_as_their_source_has_them(symbol: str, name: str) -> None:
    assert demangled(symbol) == name


MAP = b"""7f0000001000 100 py::grow:/srv/app.py
0x00007f0000002000 0x00000040 void app.Pool.grow(int)
7f0000003000 80 JS:*grow /srv/app.js:12:5
7f0000003080 80 JS:~ file:///srv/app.mjs:1:1
not a line
7f0000001000 10 py::newer:/srv/app.py
"""


@pytest.fixture
def own_code(tmp_path: Path) -> Callable[..., dict[int, FrameNames]]:
    """Names addresses by a process's map, or by what else is in its place."""

    def look(*addresses: int, raw: bytes = MAP, link: bool = False) -> dict[int, FrameNames]:
        folder = tmp_path / "tmp"
        folder.mkdir()
        path = folder / "perf-7.map"
        if link:
            (tmp_path / "there").write_bytes(raw)
            path.symlink_to(tmp_path / "there")
        elif raw:
            path.write_bytes(raw)
        root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
        try:
            return own_code_names(OwnCode(99, 7, os.getuid(), root, set(addresses)))
        finally:
            os.close(root)

    return look


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (0x7F0000001008, Named("newer", "/srv/app.py")),
        (0x7F0000001080, Named("grow", "/srv/app.py")),
        (0x7F0000002040, Named("void app.Pool.grow(int)")),
        (0x7F0000003010, Named("grow", "/srv/app.js", 12)),
        (0x7F0000003090, Named("(anonymous)", "/srv/app.mjs", 1)),
    ],
)
def test_compiled_code_has_the_names_of_its_map(
    own_code: Callable[..., dict[int, FrameNames]], address: int, name: Named
) -> None:
    assert own_code(address) == {address: FrameNames((name,))}


def test_what_no_map_names_says_how_there_would_be_one(
    own_code: Callable[..., dict[int, FrameNames]],
) -> None:
    assert "--perf-basic-prof" in own_code(1, raw=b"")[1].why


def test_a_link_in_the_place_of_a_map_is_not_followed(
    own_code: Callable[..., dict[int, FrameNames]],
) -> None:
    assert own_code(0x7F0000001008, link=True)[0x7F0000001008].names == ()


def test_the_map_of_another_user_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    path = tmp_path / "tmp/perf-7.map"
    path.write_bytes(MAP)
    if os.getuid() == 0:
        os.chown(path, 12345, 12345)
    root = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    uid = os.getuid() if os.getuid() == 0 else 12345
    found = own_code_names(OwnCode(99, 7, uid, root, {0x7F0000001008}))
    os.close(root)
    assert "not a file of the program's user" in found[0x7F0000001008].why


@pytest.fixture
def places(build: Build) -> CodePlaces:
    """One file of a recording."""
    made = CodePlaces()
    file = build("-g", "-O0")
    file.offsets = {min(file.offsets) + 4}
    made.files[file.path] = file
    return made


def entry(raw: bytes) -> dict[str, object]:
    (line,) = raw.splitlines()
    found: dict[str, object] = json.loads(line)
    return found


def test_all_places_become_lines(places: CodePlaces) -> None:
    found = entry(frame_lines(places, set()))
    (path,) = places.files
    assert str(found["frame"]).startswith(f"{path}() [0x")
    assert "names" in found
    places.close()


def never(file: CodeFile) -> dict[int, FrameNames]:
    """Waits for a signal that does not come."""
    signal.sigwait({signal.SIGUSR2})
    return {}


def dies(file: CodeFile) -> dict[int, FrameNames]:
    """Ends as a library that is out of memory does."""
    os.kill(os.getpid(), signal.SIGKILL)
    return {}


def test_a_file_that_takes_too_long_has_no_names(places: CodePlaces) -> None:
    why = entry(frame_lines(places, set(), one=0.3, of_file=never))["why"]
    assert why == "naming it took more than 0.3 s"
    assert entry(frame_lines(places, set(), together=0))["why"] == "naming took more than 0 s"
    places.close()


def test_a_library_that_dies_costs_the_names_of_its_file(places: CodePlaces) -> None:
    assert "too large, or" in str(entry(frame_lines(places, set(), of_file=dies))["why"])
    places.close()


def test_a_signal_that_asks_for_an_end_ends_the_naming(places: CodePlaces) -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        why = entry(frame_lines(places, {signal.SIGUSR1}, of_file=never))["why"]
        assert why == "naming was interrupted"
    finally:
        signal.sigtimedwait({signal.SIGUSR1}, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    places.close()
