# SPDX-License-Identifier: GPL-2.0-or-later
"""A machine of the model: which kernel it runs, its processes, its files."""

import json
from dataclasses import asdict
from typing import Final, final

from vmalab.api.maps import Maps
from vmalab.api.numbers import number, sysctls, text
from vmalab.api.space import AddressSpace
from vmalab.calls.call import Call
from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import Snapshot
from vmalab.linux.types.file import I_REG
from vmalab.recording.format.meta import Meta, MetaImage, parse_meta
from vmalab.recording.live.live_map import read_process
from vmalab.recording.readers.maps import read_snapshot
from vmalab.recording.standard_input import is_piped, kept_input
from vmalab.recording.tracer.machine_facts import machine_facts
from vmalab.recording.tracer.proc_files import anonymous_ranges, image_facts, read_smaps
from vmalab.targets.model.model import ModelTarget
from vmalab.targets.model.versions import version_for

_FIRST_PID: Final = 1
# Where a program that is not moved at random has its heap.
_START_BRK: Final = 0x5555_5555_9000
_FILE_DEV: Final = "fe:00"
_LARGEST: Final = (1 << 63) - 1


@final
class Machine:
    """A kernel with processes that can share memory and files, and nothing of another machine.

    kernel: "6.18"; None for that of `like`, or the newest one that is understood best. like: what
    its first process begins as, and, for a process, which settings the machine has: a live
    process by its number, the path of a saved maps or smaps file, or `Maps`; None: nothing mapped.
    sysctl: settings that differ, such as {"vm.max_map_count": 1000}.
    Errors: VmalabError for a kernel without a model, or what cannot be read as a map; TypeError
    and ValueError for a setting that the model does not have, or has as another kind of number.
    """

    __slots__ = ("_image", "_lines", "_next", "_of", "kernel", "target")

    def __init__(
        self,
        kernel: str | None = None,
        like: int | str | Maps | None = None,
        *,
        sysctl: dict[str, int] | None = None,
    ) -> None:
        if kernel is not None:
            text("kernel", kernel)
        settings = sysctls(sysctl)
        meta, self._image, self._lines = _beginning(like)
        self._of = f"/proc/{like}" if isinstance(like, int) else like
        meta = meta._replace(sysctl={**meta.sysctl, **settings})
        self.kernel = version_for(meta, kernel)
        self.target = ModelTarget(meta, self.kernel)
        self._next = _FIRST_PID

    @classmethod
    def of(cls, target: ModelTarget, kernel: str) -> "Machine":
        """Return a machine that goes on with what a replay has left."""
        machine = cls.__new__(cls)
        machine.target, machine.kernel = target, kernel
        machine._image, machine._lines, machine._of = MetaImage(), None, None
        machine._next = max(target.machine.tasks, default=0) + 1
        return machine

    def process(self) -> AddressSpace:
        """Start another process, with nothing mapped (the first one: as `like` says)."""
        return AddressSpace(machine=self)

    def add_file(self, path: str, size: int) -> None:
        """State that a regular file of `size` bytes exists, which processes can then `open`.

        Errors: TypeError; ValueError for a path that is not absolute, a size that no file has.
        """
        if not text("path", path).startswith("/"):
            raise ValueError(f"path must be absolute: {path[:40]!r}")
        if not 0 <= number("size", size) == size <= _LARGEST:
            raise ValueError(f"size must be from 0 to 2^63-1: {size}")
        self.target.machine.add_inode(path, I_REG, _FILE_DEV, -1, size)

    def run(self, calls: list[Call]) -> list[int]:
        """Make calls, each as its thread; Returns: their results, -errno for those that fail.

        Errors: TypeError for what is no `Call`; then none is made.
        """
        for at, call in enumerate(calls):
            if not isinstance(call, Call):
                raise TypeError(f"calls[{at}] must be a Call, not {type(call).__name__}")
        apply = self.target.apply
        return [apply(call) for call in calls]

    def take_pid(self) -> int:
        """Make a process; Returns: its number.

        Errors: ReadError, or ValueError for `Maps`, when its VMAs overlap or lie where none can.
        """
        pid = self._next
        self._next += 1
        wrong = self.target.execute(pid, self._image, self._lines)
        if wrong:
            raise ReadError(self._of, 0, wrong) if isinstance(self._of, str) else ValueError(wrong)
        mm = self.target.mm(pid)
        assert mm is not None
        if self._lines is None:
            mm.start_brk = mm.brk = _START_BRK
        # Whoever comes next begins with nothing.
        self._image, self._lines = MetaImage(), None
        return pid

    def adopt(self, pid: int) -> AddressSpace:
        """Return the address space of a process that a fork has made."""
        self._next = max(self._next, pid + 1)
        space = AddressSpace.__new__(AddressSpace)
        space.machine, space.pid = self, pid
        space._target = self.target
        return space

    def __repr__(self) -> str:
        alive = len(self.target.machine.tasks)
        return f"<Machine: Linux {self.kernel}, {alive} processes>"


def _beginning(like: int | str | Maps | None) -> tuple[Meta, MetaImage, Snapshot | None]:
    """Return the settings, the image and the first map of `like`. Errors: ReadError."""
    usual = Meta(config={"CONFIG_ANON_VMA_NAME": True})
    if like is None:
        return usual, MetaImage(), None
    if isinstance(like, Maps):
        return usual, MetaImage(), list(like)
    if isinstance(like, str):
        path = kept_input(like) if is_piped(like) else like
        return usual, MetaImage(), read_snapshot(path, follow=True)
    if isinstance(like, bool) or not isinstance(like, int):
        raise TypeError(f"like must be a PID, a path or Maps, not {type(like).__name__}")
    lines = read_process(like).lines
    facts: dict[str, object] = asdict(image_facts(like))
    facts["anon_vma"] = anonymous_ranges(read_smaps(like))
    told = json.dumps(machine_facts() | {"images": {"0": facts}})
    meta = parse_meta(told.encode(), f"/proc/{like}")
    return meta, meta.images["0"], lines
