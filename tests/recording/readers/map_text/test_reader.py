# SPDX-License-Identifier: GPL-2.0-or-later
"""The map of one process is found in whatever printed it, with what that shows and no more."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import UNKNOWN, UNKNOWN_DEV, UNKNOWN_PERMS, Snapshot
from vmalab.recording.readers.map_file import holds_map, read_map
from vmalab.recording.readers.map_text.reader import PROC, MapText, map_in
from vmalab.recording.readers.maps import read_snapshot

DATA = Path(__file__).parents[3] / "data" / "maps"
# What tools printed of the same process, and how many of each line's permissions they show.
TOOLS = {
    "pmap.txt": 4,
    "pmap-p.txt": 4,
    "pmap-x.txt": 4,
    "pmap-d.txt": 4,
    "pmap-wide.txt": 4,
    "pmap-widest.txt": 4,
    "gdb.txt": 4,
    "readelf-l.txt": 3,
    "readelf-l-W.txt": 3,
    "core.headers": 3,
}
OFFSETS = ("pmap-d.txt", "pmap-wide.txt", "pmap-widest.txt", "gdb.txt")
FILES_ALONE = ("gdb-core.txt", "eu-readelf-n.txt")


def truth() -> Snapshot:
    return read_snapshot(str(DATA / "proc.maps"))


def found(text: str) -> MapText:
    return map_in(text.splitlines(), "text")


@pytest.mark.parametrize("name", [*TOOLS, *FILES_ALONE, "proc.maps"])
def test_file_is_known_to_hold_a_map(name: str) -> None:
    assert holds_map(str(DATA / name))


@pytest.mark.parametrize("name", TOOLS)
def test_every_range_is_found_with_its_permissions(name: str) -> None:
    lines = read_map(str(DATA / name)).lines
    shown = TOOLS[name]
    assert [(line.start, line.end, line.perms[:shown]) for line in lines] == [
        (line.start, line.end, line.perms[:shown]) for line in truth()
    ]
    assert {line.perms[shown:] for line in lines} == {"?" * (4 - shown)}


@pytest.mark.parametrize(
    "way",
    [
        lambda line: line + "   ",
        lambda line: line.ljust(160),
        lambda line: line.replace("    ", "\t"),
        lambda line: " ".join(line.split()),
        lambda line: line.replace(" ", "\u00a0"),
    ],
    ids=["trailing", "padded", "tabs", "one each", "of a page"],
)
@pytest.mark.parametrize("name", sorted({"proc.maps", *TOOLS} - {"core.headers"}))
def test_blanks_may_be_changed(name: str, way: Callable[[str], str]) -> None:
    text = (DATA / name).read_text()
    changed = "\n".join(map(way, text.splitlines()))
    assert found(changed).lines == found(text).lines


@pytest.mark.parametrize("name", OFFSETS)
def test_offsets_are_read_where_they_are_shown(name: str) -> None:
    lines = read_map(str(DATA / name)).lines
    assert [line.pgoff for line in lines] == [line.pgoff for line in truth()]


@pytest.mark.parametrize("name", ["pmap-wide.txt", "pmap-widest.txt"])
def test_files_are_told_apart_where_they_are_shown(name: str) -> None:
    lines = read_map(str(DATA / name)).lines
    assert [line.identity for line in lines] == [line.identity for line in truth()]


def test_flags_are_read_where_they_are_shown() -> None:
    lines = read_map(str(DATA / "pmap-widest.txt")).lines
    assert lines[0].flags == ("rd", "mr", "mw", "me")
    assert all(line.flags for line in lines)


@pytest.mark.parametrize("name", ["pmap.txt", "pmap-x.txt"])
def test_what_is_not_shown_is_unknown(name: str) -> None:
    first = read_map(str(DATA / name)).lines[0]
    assert (first.pgoff, first.dev, first.inode) == (UNKNOWN, UNKNOWN_DEV, UNKNOWN)
    assert "????????" in first.text


@pytest.mark.parametrize("name", FILES_ALONE)
def test_list_of_mapped_files_leaves_everything_between_them_open(name: str) -> None:
    text = read_map(str(DATA / name))
    mapped = [line for line in truth() if line.name[:1] == "/"]
    assert [(line.start, line.end, line.pgoff, line.name) for line in text.lines] == [
        (line.start, line.end, line.pgoff, line.name) for line in mapped
    ]
    assert {line.perms for line in text.lines} == {UNKNOWN_PERMS}
    assert text.breaks == set(range(len(mapped) - 1))


def test_core_file_has_names_and_offsets_of_files() -> None:
    lines = read_map(str(DATA / "core.headers")).lines
    mapped = {line.start: line for line in truth() if line.name[:1] == "/"}
    for line in lines:
        if line.start in mapped:
            assert (line.name, line.pgoff) == (mapped[line.start].name, mapped[line.start].pgoff)
        else:
            assert line.identity == ("00:00", 0)


PAGE = "7f0000000000-7f0000001000 r--p 00002000 fe:00 12        /lib/a b.so (deleted)"
AROUND = {
    "plain": "{}",
    "indented": "      {}",
    "quoted": "> > {}",
    "log of CRIU": "(00.028091) Handling VMA with the following smaps entry: {}",
    "kernel log": "[ 1234.567890] {}",
    "journal": "Nov 28 19:21:52 host app[77]: {}",
    "web page": "<pre>{}",
    "tabs for blanks": "\t{}\t",
}


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_line_of_maps_is_found_wherever_it_stands(around: str) -> None:
    (line,) = found(around.format(PAGE)).lines
    assert (line.start, line.perms, line.pgoff, line.inode) == (0x7F0000000000, "r--p", 0x2000, 12)
    assert line.name == "/lib/a b.so (deleted)"


def test_fields_of_smaps_are_read_amid_a_page() -> None:
    text = found(f"```\n> {PAGE}\n> Rss:       4 kB\n> VmFlags: rd mr mw me \n```\n")
    assert text.lines[0].flags == ("rd", "mr", "mw", "me")
    assert text.lines[0].rss == 4096


def test_lines_that_are_left_out_are_no_hole() -> None:
    text = found(
        "$ cat /proc/1/maps\n"
        "00001000-00002000 r--p 00000000 00:00 0\n"
        "00004000-00005000 r--p 00000000 00:00 0\n"
        "...\n"
        "00009000-0000a000 r--p 00000000 00:00 0\n"
    )
    assert (len(text.lines), text.breaks, text.form) == (3, {1}, PROC)
    assert "Lines that are no part of a map: 2, the first in line 1: $ cat" in text.notes[0]


def test_longest_of_several_maps_is_taken() -> None:
    one = "00001000-00002000 r--p 00000000 00:00 0\n"
    text = found(one + "and the other:\n" + one + "00002000-00003000 rw-p 00000000 00:00 0\n")
    assert len(text.lines) == 2
    assert text.notes[0] == "Maps in the text: 2. The longest is taken."


OTHERS = {
    "sanitizer": (
        "\t0x000000400000-0x000000401000\t/srv/a\n\t0x7f0000000000-0x7f0000001000\t\n",
        2,
    ),
    "lldb": (
        "[0x0000000000000000-0x0000000000400000) ---\n"
        "[0x0000000000400000-0x0000000000401000) r-x /srv/a PT_LOAD[1]\n",
        2,
    ),
    "valgrind": (
        "--9:2: aspacem   2: FILE 0058000000-0058000fff    4096 r---- d=0xfe00 i=3 o=4096 (0,4)\n"
        "--9:2: aspacem     3:      0058001000-1001ffffff  64131m\n"
        "--9:2: aspacem     6: ANON 1002001000-1003000fff     16m rw---\n",
        2,
    ),
    "tombstone": (
        "    00000000'7fff7000-00000000'8fff6fff rw-         0  10000000  [anon:low shadow]\n"
        "--->00000000'8fff7000-00000000'8fff7fff r-x      3000      1000  /srv/a\n",
        2,
    ),
    "table": (
        "08048000-08049000 | r-xp | 00000000 | 03:00 | 8312 | /opt/test |\n"
        "a7cb1000-a7cb2000 | ---p | 00000000 | 00:00 | 0 | |\n",
        2,
    ),
    "dashes of an editor": (
        "00110000 1480K r-x\u2013 /usr/lib/a.so\n00282000 80K rw\u2014 [ anon ]\n",
        2,
    ),
    "older gdb": (
        "  Start Addr   End Addr       Size     Offset objfile\n"
        "    0x400000   0x401000     0x1000        0x0 /srv/a\n"
        "    0x601000   0x622000    0x21000        0x0 [heap]\n",
        2,
    ),
    "newer gdb": (
        "Start Addr         End Addr           Size       Offset     Perms File \n"
        "0x0000555555554000 0x0000555555555000 0x1000     0x0        r--p  /srv/a \n",
        1,
    ),
    "readelf -n": (
        "  CORE                 0x000000c5\tNT_FILE (mapped files)\n"
        "    Page size: 4096\n"
        "                 Start                 End         Page Offset\n"
        "    0x0000000000400000  0x0000000000401000  0x0000000000000003\n"
        "        /srv/a\n",
        1,
    ),
}


@pytest.mark.parametrize(("text", "count"), OTHERS.values(), ids=OTHERS)
def test_other_tools_are_read(text: str, count: int) -> None:
    lines = found(text).lines
    assert len(lines) == count
    assert all(line.end - line.start >= 4096 for line in lines)


def test_offset_of_readelf_is_in_pages() -> None:
    assert found(OTHERS["readelf -n"][0]).lines[0].pgoff == 3 * 4096


def test_end_of_valgrind_is_the_last_byte() -> None:
    first = found(OTHERS["valgrind"][0]).lines[0]
    assert (first.start, first.end, first.pgoff, first.dev) == (
        0x58000000,
        0x58001000,
        4096,
        "fe:00",
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no map here\n", "no memory map in it"),
        ("  NT_FILE\n    Cannot decode 64-bit note in 32-bit build\n", "use `eu-readelf -n`"),
        ("ffff-1000 r--p 00000000 00:00 0\n", "no memory map in it"),
    ],
)
def test_text_without_a_map_is_refused(text: str, why: str) -> None:
    with pytest.raises(ReadError, match=why):
        found(text)
