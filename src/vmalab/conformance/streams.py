# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries the calls of a stream out on the model: each with its result and the map after it."""

from collections.abc import Iterator
from typing import Final, TypedDict, final

from vmalab.calls.call import U64_MAX, Call
from vmalab.calls.snapshot import Snapshot, VmaLine
from vmalab.conformance.window import (
    BASE,
    END,
    FILE_PAGES,
    FILES,
    PROFILES,
    WindowCall,
    WindowDraw,
    draw_call,
)
from vmalab.linux.include.page import PAGE_SIZE
from vmalab.linux.include.uapi.errno import EFAULT
from vmalab.linux.mm.usercopy import user_range_ok
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.targets.model.model import ModelTarget

FORMAT: Final = "vmalab-conformance"
VERSION: Final = 1
_PID: Final = 1
# A pointer that the model does not follow: what it leads to is given beside it.
_POINTER: Final = 1 << 63


class StreamHead(TypedDict):
    """The first line of a stream. window: its addresses, from and to (bytes)."""

    format: str
    version: int
    kernel: str
    profile: str
    seed: int
    window: tuple[int, int]


class StreamCall(TypedDict, total=False):
    """A call. result: what Linux answers, -errno for an error.

    maps: where the map is another one than before: [start, end, permissions, offset, what].
    """

    call: str
    args: list[int | str]
    result: int
    maps: list[tuple[int, int, str, int, str]]


@final
class ModelStream:
    """A process of the model with nothing mapped, that makes the calls of one stream."""

    def __init__(self, kernel: str) -> None:
        self._target = ModelTarget(Meta(config={"CONFIG_ANON_VMA_NAME": True}), kernel)
        self._target.execute(_PID, MetaImage(), None)
        mm = self._target.mm(_PID)
        assert mm is not None
        self._mm = mm
        self._files: list[int] = []

    def lines(self) -> Snapshot:
        """Return the map."""
        return self._target.lines(self._mm)

    def make(self, drawn: WindowCall) -> int:
        """Carry a call out; Returns: its result, 0 for a file that was made."""
        if drawn.name == "touch":
            start, length = drawn.args
            assert isinstance(start, int)
            assert isinstance(length, int)
            return 0 if user_range_ok(self._mm, start, length, True) else -EFAULT
        args, mem = [], {}
        for index, arg in enumerate(drawn.args):
            if isinstance(arg, int):
                args.append(arg & U64_MAX)
            elif arg.startswith("file:"):
                args.append(self._files[int(arg.removeprefix("file:"))])
            else:
                args.append(_POINTER)
                mem[index] = arg.removeprefix("text:")
        registers = (*args, *[0] * (6 - len(args)))
        known: dict[int, object] = dict(mem)
        result = self._target.apply(Call(_PID, drawn.name, registers, known or None))
        if drawn.name == "memfd_create" and result >= 0:
            self._files.append(result)
            return 0
        return result


def stream_of(
    kernel: str, profile: str, seed: int, calls: int
) -> Iterator[StreamHead | StreamCall]:
    """Yield a stream: its head, then its calls, those that make its files first."""
    yield {
        "format": FORMAT,
        "version": VERSION,
        "kernel": kernel,
        "profile": profile,
        "seed": seed,
        "window": (BASE, END),
    }
    model = ModelStream(kernel)
    draw = WindowDraw(seed)
    for drawn in _files(profile):
        yield _made(model, draw, drawn)
    for _ in range(calls):
        yield _made(model, draw, draw_call(draw, profile))


def _files(profile: str) -> Iterator[WindowCall]:
    if profile != "files":
        return
    for number in range(FILES):
        yield WindowCall("memfd_create", (f"text:v{number}", 0))
        yield WindowCall("ftruncate", (f"file:{number}", FILE_PAGES * PAGE_SIZE))


def _made(model: ModelStream, draw: WindowDraw, drawn: WindowCall) -> StreamCall:
    """Carry a call out and say what came of it."""
    made: StreamCall = {"call": drawn.name, "args": list(drawn.args), "result": model.make(drawn)}
    lines = model.lines()
    if lines != draw.map:
        draw.map = lines
        made["maps"] = [_line(line) for line in lines]
    return made


def _line(line: VmaLine) -> tuple[int, int, str, int, str]:
    """Return a VMA as a stream has it."""
    assert BASE <= line.start < line.end <= END
    what = "anon"
    if line.name.startswith("/memfd:v"):
        what = f"file:{line.name.removeprefix('/memfd:v')[0]}"
    return line.start, line.end, line.perms, line.pgoff if what != "anon" else 0, what


__all__ = ("FORMAT", "PROFILES", "VERSION", "ModelStream", "StreamCall", "StreamHead", "stream_of")
