# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever a recording holds, nothing that is printed or written for people steers a terminal."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

# A name: colours, a window's title, a link, the bell, what ends C1 sequences, bytes that are no
# UTF-8, characters that turn the direction, join, fill or break lines, and markup of rich.
EVIL = (
    b"\x1b[31m\x1b]0;owned\x07\x1b]8;;http://x\x1b\\\xff\xc2\x9b2J\xc2\x85\x7f\x08\r\t\x0c"
    + "\u202e\u2066\u2069\u200b\u200e\u200f\u061c\u2028\u2029\ufeff\U000e0041".encode()
    + b"[red][link=http://x]:smile:[/]"
)
EVIL_TEXT = EVIL.decode("utf-8", "surrogateescape")
# How a character begins that must never be printed as it is; but newlines.
RAW = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff"
    "\U000e0000-\U000e007f\ud800-\udfff]"
)
# What rich and click write for colours, and to take a line of progress back. The name above has
# such, too, and others beside it that give it away.
OWN = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
MARK = "--- end of output ---"

FLAGS = b"VmFlags: rd wr mr mw me ac \n"
MAPS = [
    b"555555554000-555555556000 r-xp 00000000 fe:00 10" + b" " * 25 + b"/bin/" + EVIL,
    b"7f0000100000-7f0000102000 rw-p 00000000 fe:00 11" + b" " * 25 + b"/lib/" + EVIL,
    b"7f0000102000-7f0000104000 rw-p 00000000 00:00 0 " + b" " * 25 + b"[anon:" + EVIL + b"]",
    b"7f0000104000-7f0000106000 rw-p 00000000 00:00 0 " + b" " * 25 + b"[anon:x" + EVIL + b"]",
    b"7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0 " + b" " * 25 + b"[stack]",
]
STACK = b"\n > /lib/" + EVIL.replace(b"\r", b"") + b"(" + EVIL.replace(b"\r", b"") + b"+0x1) [0x1]"
LOG = [
    b'50 openat(AT_FDCWD, "/' + EVIL + b'", O_RDONLY) = 3</' + EVIL + b">" + STACK,
    b"50 mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, 3</" + EVIL + b">, 0) = 0x7f0000000000" + STACK,
    b"50 mmap(0x10000, 8192, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_FIXED, -1, 0) = 0x10000",
    b'50 prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, 0x10000, 4096, "' + EVIL + b'") = 0' + STACK,
    b"50 mseal(0x11000, 4096, 0) = 0",
    b"50 munmap(0x1, 4096) = 0",
    b"50 munmap(0x1, 4096) = -1 EINVAL (" + EVIL + b")" + STACK,
    b"50 mlock(0x1000, 4096) = -1 ENOMEM (" + EVIL + b")" + STACK,
    b"50 " + EVIL,
    b'50 memfd_create("' + EVIL + b'", 0) = 4</memfd:' + EVIL + b">",
    b"50 " + EVIL + b"(" + EVIL + b") = 0",
]


@dataclass(frozen=True)
class Outputs:
    """What each command line said in a pipe and on a terminal, and what files were written."""

    pipe: dict[str, bytes]
    terminal: dict[str, bytes]
    folder: Path


def write_recording(folder: bytes) -> None:
    """A recording that is hostile wherever it holds text, its own name among that."""
    image = os.path.join(folder, b"images", b"50.1")
    os.makedirs(image)
    maps = b"".join(line + b"\n" + FLAGS for line in MAPS)
    meta = {
        "format": 1,
        "kernel": {"release": "6.18.44" + EVIL_TEXT, "config": {EVIL_TEXT: EVIL_TEXT}},
        "command": [EVIL_TEXT],
        "nodes": EVIL_TEXT,
        "user": EVIL_TEXT,
        "sysctl": {EVIL_TEXT: EVIL_TEXT},
        "thp": {"enabled": EVIL_TEXT},
        "events": [
            {"after_line": 0, "event": "exec", "pid": 50, "image": "50.1"},
            {"after_line": 2, "event": EVIL_TEXT, "pid": 50, "image": EVIL_TEXT},
        ],
        "images": {
            "50.1": {
                "status": {"Name": EVIL_TEXT, "CapEff": EVIL_TEXT},
                "fds": {"3": ["/" + EVIL_TEXT, 0]},
                "elf": {"program": {"path": EVIL_TEXT, "interp": EVIL_TEXT}},
            }
        },
    }
    files = {
        b"calls.strace": b"\n".join(LOG) + b"\n",
        b"meta.json": json.dumps(meta).encode(),
        b"images/50.1/initial.smaps": maps,
        b"images/50.1/final.smaps": maps,
    }
    for name, content in files.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(content)


RECORDING = "r-" + EVIL_TEXT.replace("/", "|")
CASES = f"c-{RECORDING}.vma"
COMMANDS = {
    "replay": ["replay", "--maps", "--story", RECORDING],
    "replay --json": ["replay", "--maps", "--json", RECORDING],
    "replay --html": ["replay", "--html", "replay.html", RECORDING],
    "replay of a broken log": ["replay", f"{RECORDING}/images/50.1/final.smaps"],
    "replay of nothing": ["replay", RECORDING + "\nvmalab: all is well"],
    "why": ["why", RECORDING, "--at", "end"],
    "why at an address": ["why", RECORDING, "7f0000102000", "--at", "end"],
    "why --json": ["why", "--json", RECORDING],
    "why of a snapshot": ["why", f"{RECORDING}/images/50.1/initial.smaps"],
    "blame": ["blame", "--all", RECORDING],
    "blame at an address": ["blame", "--at", "8", "--addr", "10000", RECORDING],
    "blame --json": ["blame", "--json", RECORDING],
    "blame --html": ["blame", "--html", "blame.html", RECORDING],
    "enomem": ["enomem", "--all", RECORDING],
    "enomem --json": ["enomem", "--json", RECORDING],
    "enomem --prometheus": ["enomem", "--prometheus", RECORDING],
    "whatif": ["whatif", "--all", "--drop", "mmap", RECORDING],
    "whatif --json": ["whatif", "--json", "--no-names", RECORDING],
    "whatif --html": ["whatif", "--html", "whatif.html", "--no-names", RECORDING],
    "diff-kernels": ["diff-kernels", "--kernels", "6.1,7.3", RECORDING],
    "diff-kernels --json": ["diff-kernels", "--kernels", "6.1,7.3", "--json", RECORDING],
    "test": ["test", "--cases", CASES],
    "test --ktap": ["test", "--ktap", "--junit", "junit.xml", "--cases", CASES],
    "test --list": ["test", "--list", "--cases", CASES],
    "check --corpus": ["check", "--corpus", "missing" + EVIL_TEXT],
    "an argument": ["replay", "--" + EVIL_TEXT],
    "a verb": [EVIL_TEXT],
}
# Runs all of them in one interpreter, which saves most of the time.
DRIVER = """
import json, sys
from vmalab.cli.main import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["vmalab", *words]
    try:
        main()
    except SystemExit:
        pass
    print(MARK, flush=True)
""".replace("MARK", repr(MARK))


def run(folder: Path, *, terminal: bool) -> dict[str, bytes]:
    """Each command line's output, standard error among it."""
    command = [sys.executable, "-c", DRIVER, json.dumps(list(COMMANDS.values()))]
    if terminal:
        ours, theirs = os.openpty()
    else:
        ours, theirs = os.pipe()
    env = os.environ | {"TERM": "xterm-256color", "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=folder, env=env)
    os.close(theirs)
    said = b""
    while part := read_some(ours):
        said += part
    os.close(ours)
    assert process.wait(timeout=120) == 0
    if terminal:
        # The terminal's driver has made these of newlines.
        said = said.replace(b"\r\n", b"\n")
    parts = said.split(MARK.encode() + b"\n")
    assert len(parts) == len(COMMANDS) + 1, said[-2000:]
    return dict(zip(COMMANDS, parts, strict=False))


def read_some(fd: int) -> bytes:
    try:
        return os.read(fd, 1 << 16)
    except OSError:
        # A terminal that nobody has open any more.
        return b""


def write_cases(path: bytes) -> None:
    """A file of one case that fails; its law holds what a line of a file of cases may."""
    cut = re.compile("[\\x09-\\x0d\\x1c-\\x1e\\x85\\u2028\\u2029]")
    law = cut.sub("", EVIL.decode("utf-8", "ignore"))
    lines = [
        "H = rw-p",
        "",
        f"case grow: {law}",
        "  pages     10    12    14",
        "  before    |HHHHH|",
    ]
    lines += ["  call      do_brk_flags 12-14 H", "  after     |HHHHH|"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    folder = tmp_path_factory.mktemp("hostile")
    write_recording(os.path.join(os.fsencode(folder), os.fsencode(RECORDING)))
    write_cases(os.path.join(os.fsencode(folder), os.fsencode(CASES)))
    return Outputs(run(folder, terminal=False), run(folder, terminal=True), folder)


def raw(text: str) -> list[str]:
    """What of a text does not print."""
    return RAW.findall(text)


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_raw_reaches_a_terminal(outputs: Outputs, name: str) -> None:
    said = outputs.terminal[name].decode("utf-8", "surrogateescape")
    assert said.strip()
    assert raw(OWN.sub("", said)) == []
    assert "\x1b[31m\x1b]" not in said


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "replay"])
def test_nothing_raw_reaches_a_pipe(outputs: Outputs, name: str) -> None:
    said = outputs.pipe[name].decode("utf-8", "surrogateescape")
    assert said.strip()
    assert raw(said) == []


def test_maps_in_a_pipe_are_byte_for_byte_those_of_proc(outputs: Outputs) -> None:
    """Also names with what colours a terminal, which printing libraries like to drop."""
    said = outputs.pipe["replay"]
    for line in (MAPS[1], MAPS[2], MAPS[3]):
        assert line + b"\n" in said
    rest = re.sub(rb"[^\n]*" + re.escape(EVIL) + rb"[^\n]*\n", b"", said)
    assert raw(rest.decode("utf-8", "surrogateescape")) == []


@pytest.mark.parametrize("name", [name for name in COMMANDS if name.endswith("--json")])
def test_json_keeps_names_as_they_are(outputs: Outputs, name: str) -> None:
    lines = outputs.pipe[name].decode("ascii").splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert found
    if name not in ("whatif --json", "diff-kernels --json"):
        assert EVIL_TEXT[:8] in repr_of_strings(found)


def repr_of_strings(value: object) -> str:
    """All strings of a JSON value, one behind the other."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "".join(repr_of_strings(item) for pair in value.items() for item in pair)
    return "".join(map(repr_of_strings, value)) if isinstance(value, list) else ""


@pytest.mark.parametrize("name", ["replay.html", "blame.html", "whatif.html", "junit.xml"])
def test_nothing_raw_is_in_a_file_for_people(outputs: Outputs, name: str) -> None:
    text = (outputs.folder / name).read_text("utf-8")
    if name.endswith(".html"):
        # The library that draws has its own ways with characters.
        text = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert raw(text) == []


def test_a_message_starts_no_line_that_looks_like_another(outputs: Outputs) -> None:
    lines = outputs.pipe["replay of nothing"].decode("utf-8").splitlines()
    assert not any(line.startswith("vmalab: all is well") for line in lines)


def test_markup_is_printed_as_it_stands(outputs: Outputs) -> None:
    for name in ("replay", "why", "blame"):
        # A long message has several lines there.
        printed = outputs.terminal[name].replace(b"\n", b"")
        assert re.search(rb"\[red\]\[link=http:..x\]:smile:\[.\]", printed)
