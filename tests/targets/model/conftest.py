# SPDX-License-Identifier: GPL-2.0-or-later
"""A model with one process, 50, whose first map is that of a small program."""

import pytest

from vmalab.calls.call import Call
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.recording.readers.maps import parse_smaps
from vmalab.targets.model.model import ModelTarget

MAP = """\
555555554000-555555556000 r-xp 00000000 fe:00 10                         /bin/x
VmFlags: rd ex mr mw me
555555556000-555555557000 rw-p 00002000 fe:00 10                         /bin/x
VmFlags: rd wr mr mw me ac
7f00000fa000-7f00000fe000 r--p 00000000 00:00 0                          [vvar]
VmFlags: rd mr pf io de dd
7f00000fe000-7f0000100000 r-xp 00000000 00:00 0                          [vdso]
VmFlags: rd ex mr mw me de
7f0000100000-7f0000102000 r-xp 00000000 fe:00 11                         /lib/ld.so
VmFlags: rd ex mr mw me
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
VmFlags: rd wr mr mw me gd ac
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
VmFlags: ex
"""
LINES = parse_smaps(MAP)
IMAGE = MetaImage(
    rlimits={"STACK": (8 << 20, 1 << 63)},
    mm={"start_brk": 0x555555560000, "start_stack": 0x7FFD0001FF00},
    status={"CapEff": "000001fffeffffff", "Uid": "1000\t1000\t1000\t1000"},
)
FREE = 0x7F00000F8000


@pytest.fixture
def target() -> ModelTarget:
    made = ModelTarget(Meta(sysctl={"kernel.randomize_va_space": 2}), "6.18")
    assert made.execute(50, IMAGE, LINES) == ""
    return made


@pytest.fixture
def mm(target: ModelTarget) -> Mm:
    found = target.mm(50)
    assert found is not None
    return found


def apply(target: ModelTarget, name: str, *args: int, mem: dict[int, object] | None = None) -> int:
    return target.apply(Call(50, name, (*args, *(0,) * (6 - len(args))), mem))


def follow(
    target: ModelTarget, name: str, ret: int, *args: int, mem: dict[int, object] | None = None
) -> None:
    target.follow(Call(50, name, (*args, *(0,) * (6 - len(args))), mem, ret=ret))
