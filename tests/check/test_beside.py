# SPDX-License-Identifier: GPL-2.0-or-later
"""Another target in the model's place: the same calls, the same maps, and where they part."""

from typing import cast

import pytest

from vmalab.calls.call import Call
from vmalab.check.beside import BaseDied, BaseWorker
from vmalab.targets.real.answers import Answer, Map
from vmalab.targets.real.real import RealTarget
from vmalab.targets.real.settings import Settings
from vmalab.targets.real.wire import OP_SNAPSHOT

ONE = "10000000-10002000 rw-p 00000000 00:00 0 \nVmFlags: rd wr mr mw me ac\n"
TWO = (
    "10000000-10001000 rw-p 00000000 00:00 0 \nVmFlags: rd wr mr mw me ac\n"
    "10001000-10002000 r--p 00000000 00:00 0 \nVmFlags: rd mr mw me ac\n"
)
STATUS = "VmPeak: 8 kB\nVmSize: 8 kB\nVmLck: {} kB\nVmData: 8 kB\nVmStk: 0 kB\n"
CALL = Call(20000, "munmap", (0, 4096, 0, 0, 0, 0))


class _Base:
    """A target whose worker answers 5 to every call and has one map."""

    def __init__(self, text: str = ONE, died: str = "") -> None:
        self.executor = self
        self.text = text
        self.died = died
        self.begun = 0

    def begin(self, settings: Settings) -> None:
        self.begun += 1

    def end(self) -> None:
        self.begun -= 1

    def run(self, words: list[int]) -> Answer:
        if self.died:
            return Answer(died=self.died)
        if words == [OP_SNAPSHOT]:
            return Answer(maps=[Map((self.text + STATUS.format(0)).encode())])
        return Answer(results=[5])


def worker(base: _Base) -> BaseWorker:
    return BaseWorker(cast("RealTarget", base), Settings())


def shown(text: str, locked: int = 0) -> Map:
    return Map((text + STATUS.format(locked)).encode())


def test_its_answers_stand_for_the_models() -> None:
    base = _Base()
    one = worker(base)
    assert one.apply(CALL) == 5
    assert [line.end for line in one.lines()] == [0x10002000]
    one.close()
    assert base.begun == 0


def test_the_same_map_is_the_same() -> None:
    assert worker(_Base()).compare(shown(ONE)) is None


@pytest.mark.parametrize(
    ("text", "what", "at"),
    [
        (TWO, "range", 0x10000000),
        (ONE.replace("rw-p", "rw-s"), "perms", 0x10000000),
        (ONE.replace(" ac", ""), "flags", 0x10000000),
        ("", "range", 0x10000000),
    ],
    ids=["range", "permissions", "flags", "nothing"],
)
def test_maps_part_where_the_first_field_differs(text: str, what: str, at: int) -> None:
    found = worker(_Base()).compare(shown(text))
    assert found is not None
    assert (found.what, found.at) == (what, at)


def test_sizes_part_too() -> None:
    found = worker(_Base()).compare(shown(ONE, locked=4))
    assert found is not None
    assert found.what == "VmLck 4 kB, 0 kB before"


def test_a_base_that_dies_is_told_apart() -> None:
    with pytest.raises(BaseDied, match="WARNING"):
        worker(_Base(died="WARNING at mm/vma.c:1")).apply(CALL)
