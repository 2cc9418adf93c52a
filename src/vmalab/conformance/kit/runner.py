# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the calls of conformance streams on a memory manager, and compares with what is expected.

    python3 runner.py [--target FILE.py:CLASS] [--maps vmas|pages|none] [-v] FILE.jsonl...

Without --target the kernel that runs this program makes the calls, in a child for each stream. A
target is a class whose objects stand for a process with nothing mapped:

    class Mine:
        def call(self, name: str, args: list[int | str]) -> int:
            # make it; the result, or -errno. A str is a file ("file:0") or text ("text:v0").
        def maps(self) -> list[tuple[int, int, str, int, str]]:
            # (start, end, "rw-p", offset, "anon" or "file:N"), lowest first; None where unknown

README.md has the format of the streams. Exit status: 0 no deviation, 1 deviations, 2 an input that
cannot be used. Needs nothing but Python 3.9.
"""

import argparse
import ctypes
import errno
import importlib.util
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

# start, end, permissions, offset, what
Vma = tuple[int, int, str, int, str]
# The kind, the line of the stream, and the details.
Deviation = tuple[str, int, str]

PAGE = 4096
HIGHEST = 1 << 47
SYSCALLS = {
    "x86_64": {
        "mmap": 9,
        "mprotect": 10,
        "munmap": 11,
        "mremap": 25,
        "msync": 26,
        "madvise": 28,
        "ftruncate": 77,
        "mlock": 149,
        "munlock": 150,
        "memfd_create": 319,
        "mlock2": 325,
    },
    "aarch64": {
        "mmap": 222,
        "mprotect": 226,
        "munmap": 215,
        "mremap": 216,
        "msync": 227,
        "madvise": 233,
        "ftruncate": 46,
        "mlock": 228,
        "munlock": 229,
        "memfd_create": 279,
        "mlock2": 284,
    },
}


class Unusable(Exception):
    """A stream, or a target, that cannot be used."""


# What comes of reading a file that is no stream.
BROKEN = (
    Unusable,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    RecursionError,
)


class RunningKernel:
    """The kernel that runs this program: its calls change this very process."""

    def __init__(self, window: list[int]) -> None:
        self.low, self.high = window
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.syscall.restype = ctypes.c_long
        self.files: list[int] = []
        numbers = SYSCALLS.get(os.uname().machine)
        if numbers is None:
            raise Unusable("the numbers of this machine's system calls are not known here")
        self.numbers = numbers
        if self.maps():
            raise Unusable("the window of the stream is not free")

    def call(self, name: str, args: list[Any]) -> int:
        """Make a call; Returns: its result, or -errno."""
        if name == "memfd_create":
            self.files.append(os.memfd_create(args[0].partition(":")[2], args[1]))
            return 0
        values = [self._file(arg) if isinstance(arg, str) else arg for arg in args]
        if name != "ftruncate":
            self._confine(name, values)
        if name == "touch":
            for at in range(values[0], values[0] + values[1], PAGE):
                ctypes.c_char.from_address(at).value = b"\x01"
            return 0
        if name not in self.numbers:
            raise Unusable(f"{name}: a call that this runner does not make")
        longs = [ctypes.c_long(ctypes.c_long(value & (2**64 - 1)).value) for value in values]
        result = self.libc.syscall(ctypes.c_long(self.numbers[name]), *longs)
        return -ctypes.get_errno() if result == -1 else int(result)

    def _file(self, arg: str) -> int:
        """Return the descriptor of a file of the stream."""
        what, _, number = arg.partition(":")
        if what != "file" or not number.isdecimal() or int(number) >= len(self.files):
            raise Unusable(f"{arg[:40]}: no such file of the stream")
        return self.files[int(number)]

    def _confine(self, name: str, values: list[int]) -> None:
        """Refuse what would leave the window: this process's own memory is outside."""
        ranges = [(values[0], values[1])]
        if name == "mremap":
            # MREMAP_FIXED: it is the new place that has the new length.
            ranges.append((values[4] if values[3] & 2 else values[0], values[2]))
        for start, length in ranges:
            absurd = start >= HIGHEST or length >= HIGHEST or start < 0 or length < 0
            if not absurd and not self.low <= start <= start + length <= self.high:
                raise Unusable(f"{name}: a call that leaves the window is not made")

    def maps(self) -> list[Vma]:
        """Return the VMAs in the window."""
        found = []
        with open("/proc/self/maps") as maps:
            for line in maps:
                place, perms, offset, _, _, *name = line.split(None, 5)
                start, end = (int(part, 16) for part in place.split("-"))
                if start < self.high and end > self.low:
                    text = name[0] if name else ""
                    what = f"file:{text[8]}" if text.startswith("/memfd:v") else "anon"
                    found.append((start, end, perms, int(offset, 16), what))
        return found


def fused(maps: list[Vma]) -> list[Vma]:
    """Leave out boundaries: neighbours whose pages are alike become one."""
    kept: list[Vma] = []
    for start, end, perms, offset, what in maps:
        if kept:
            last = kept[-1]
            goes_on = what == "anon" or last[3] + last[1] - last[0] == offset
            if last[1] == start and last[2] == perms and last[4] == what and goes_on:
                kept[-1] = (last[0], end, perms, last[3], what)
                continue
        kept.append((start, end, perms, offset, what))
    return kept


def comparable(maps: list[Any], how: str) -> list[Vma]:
    """Return a map as it is compared: offsets only of files."""
    found = [
        (start, end, perms, offset if what != "anon" else 0, what)
        for start, end, perms, offset, what in maps
    ]
    return fused(found) if how == "pages" else found


def shown(result: int) -> str:
    """Return a result in words."""
    if -4096 < result < 0:
        return f"-{errno.errorcode.get(-result, str(-result))}"
    return "an address" if result > 0 else str(result)


def call_of(line: str) -> dict[str, Any]:
    """Return a call of a stream."""
    call = json.loads(line)
    numbers = [*call["args"], call["result"]]
    if not isinstance(call["call"], str) or not all(isinstance(one, (int, str)) for one in numbers):
        raise Unusable("not a line of a stream (README.md has the format)")
    if len(call["args"]) > 6 or isinstance(call["result"], str):
        raise Unusable("not a line of a stream (README.md has the format)")
    return dict(call)


def run(lines: list[str], make_target: Callable[[list[int]], Any], how: str) -> Deviation | None:
    """Run a stream; Returns: None, or its first deviation: (kind, line, detail)."""
    head = json.loads(lines[0])
    if head.get("format") != "vmalab-conformance" or head.get("version") != 1:
        raise Unusable("not a conformance stream of version 1")
    target = make_target(head["window"])
    expected: list[Any] = []
    for number, line in enumerate(lines[1:], 2):
        call = call_of(line)
        expected = call.get("maps", expected)
        words = [arg if isinstance(arg, str) else hex(arg) for arg in call["args"]]
        text = f"{call['call']}({', '.join(words)})"
        try:
            result = target.call(call["call"], call["args"])
        except Unusable:
            raise
        except Exception as error:
            # What a memory manager raises ends the program that made the call.
            what = f"raises {type(error).__name__}, expected {shown(call['result'])}"
            return f"{call['call']}: {what}", number, text
        if not isinstance(result, int):
            raise Unusable(f"{call['call']}: the target returns no int, but {result!r:.40}")
        if result != call["result"]:
            kind = f"{call['call']}: {shown(result)}, expected {shown(call['result'])}"
            if result > 0 and call["result"] > 0:
                kind = f"{call['call']}: another address"
            return kind, number, f"{text} = {result}, expected {call['result']}"
        there = None if how == "none" else target.maps()
        if there is not None and comparable(there, how) != comparable(expected, how):
            told = [f"{text} = {result}: the map is", *map(line_of, there)]
            detail = "\n".join([*told, "expected", *map(line_of, expected)])
            return f"{call['call']}: another map", number, detail
    return None


def line_of(vma: Any) -> str:
    """Return a VMA in words."""
    start, end, perms, offset, what = vma
    return f"  {start:x}-{end:x} {perms} {offset:x} {what}"


def apart(lines: list[str], how: str) -> Deviation | None:
    """Run a stream on the kernel, in a child; Returns: as `run`."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            found = run(lines, RunningKernel, how)
            os.write(writer, json.dumps(found).encode())
        except BROKEN as error:
            os.write(writer, json.dumps(f"{error} ({type(error).__name__})").encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        said = file.read()
    _, status = os.waitpid(child, 0)
    if not said:
        return f"ended by signal {status & 127}", 0, ""
    found = json.loads(said)
    if isinstance(found, str):
        raise Unusable(found)
    return None if found is None else (found[0], found[1], found[2])


def load(text: str) -> Any:
    """Return the class that FILE.py:CLASS names."""
    path, _, name = text.rpartition(":")
    spec = importlib.util.spec_from_file_location("target", path)
    if spec is None or spec.loader is None:
        raise Unusable(f"{text}: name a class as FILE.py:CLASS")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return getattr(module, name)
    except Exception as error:
        raise Unusable(f"{text}: cannot be loaded: {error} ({type(error).__name__})") from error


def make(target: Any) -> Any:
    """Return a process with nothing mapped."""
    try:
        return target()
    except Exception as error:
        raise Unusable(f"the target cannot be made: {error} ({type(error).__name__})") from error


def main() -> int:
    """Run all streams, and say what deviates how often."""
    parser = argparse.ArgumentParser(description="Hold a memory manager to what Linux does.")
    parser.add_argument("streams", nargs="+", metavar="FILE.jsonl")
    parser.add_argument("--target", metavar="FILE.py:CLASS", help="default: the running kernel")
    parser.add_argument("--maps", choices=("vmas", "pages", "none"), default="vmas")
    parser.add_argument("-v", "--verbose", action="store_true", help="show every deviation")
    options = parser.parse_args()
    try:
        target = load(options.target) if options.target else None
    except Unusable as error:
        print(error, file=sys.stderr)
        return 2
    kinds: Counter[str] = Counter()
    for path in options.streams:
        try:
            with open(path, encoding="ascii") as file:
                lines = file.read().splitlines()
            if target is None:
                found = apart(lines, options.maps)
            else:
                found = run(lines, lambda window: make(target), options.maps)
        except BROKEN as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 2
        if found:
            kinds[found[0]] += 1
            if options.verbose:
                print(f"{path}:{found[1]}: {found[2]}")
    for kind, count in kinds.most_common():
        print(f"{count:6}  {kind}")
    print(f"{len(options.streams)} streams, {sum(kinds.values())} deviate")
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main())
