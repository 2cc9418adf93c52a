# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions of Python are found with their lines, and nothing that memory holds does harm."""

import ast
import asyncio.base_events
import random
import types
from collections.abc import Iterator

import pytest

from vmalab.recording.tracer.memory import Pointees
from vmalab.recording.tracer.python_frames import PythonFrames, line_at, version_of
from vmalab.recording.tracer.python_layouts import LAYOUTS


def codes_of(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object and all that are in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes_of(constant)


@pytest.mark.parametrize("module", [ast, asyncio.base_events], ids=["ast", "base_events"])
def test_lines_are_those_that_python_itself_tells(module: types.ModuleType) -> None:
    assert module.__file__ is not None
    with open(module.__file__, encoding="utf-8") as file:
        whole = compile(file.read(), module.__file__, "exec")
    units = 0
    for code in codes_of(whole):
        for unit, position in enumerate(code.co_positions()):
            assert line_at(code.co_linetable, code.co_firstlineno, unit) == (position[0] or 0)
            units += 1
    assert units > 5000


@pytest.mark.parametrize("table", [b"", b"\x80", b"\xe8" + b"\xff" * 99, b"\x7f" * 99])
def test_a_damaged_table_has_some_line_or_none(table: bytes) -> None:
    assert 0 <= line_at(table, 7, 3) < 1 << 64
    assert line_at(table, 7, -(1 << 60)) >= 0


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("/usr/lib/libpython3.11.so.1.0", (3, 11)),
        ("/usr/bin/python3.12", (3, 12)),
        ("/usr/bin/python3.8", None),
        ("/usr/bin/python3", None),
        ("/srv/python3.12/x", None),
        ("/usr/bin/python3.12-config", None),
    ],
)
def test_python_is_known_by_its_file(name: str, version: tuple[int, int] | None) -> None:
    assert version_of(name) == version


class Noise(Pointees):
    """Memory that holds anything: pointers into itself, sizes of any kind, or nothing."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.reads = 0

    def read(self, address: int, size: int) -> bytes:
        self.reads += 1
        assert size < 1 << 20
        kind = self._rng.randrange(6)
        if kind == 0:
            return b""
        words = [self._rng.choice([0, 1, 3, 7, 99, 0x7F0000001000, (1 << 64) - 1])]
        words += [self._rng.getrandbits(64) for _ in range(8)]
        raw = b"".join(self._rng.choice(words).to_bytes(8, "little") for _ in range(size // 8 + 1))
        return raw[:size]


@pytest.mark.parametrize("version", LAYOUTS, ids=str)
@pytest.mark.parametrize("seed", range(20))
def test_whatever_memory_holds_there_is_an_end(version: tuple[int, int], seed: int) -> None:
    memory = Noise(seed)
    python = PythonFrames(version, 0x7F0000000000)
    for _ in range(20):
        assert len(python.frames(memory, 7)) <= 64
    assert memory.reads < 200_000
