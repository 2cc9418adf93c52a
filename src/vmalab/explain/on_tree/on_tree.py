# SPDX-License-Identifier: GPL-2.0-or-later
"""Replays a recording, and makes its calls on kernel trees beside it."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import final

from vmalab.calls.call import Call
from vmalab.explain.on_tree.findings import OnTree
from vmalab.explain.on_tree.follower import Follower
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport
from vmalab.targets.listener import TargetListener
from vmalab.targets.real.settings import MIB, Settings
from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.tree.tree import TreeTarget


@final
class _Hub(Observer):
    """Hands what a replay tells to all that follow it."""

    def __init__(self) -> None:
        self.followers: list[Follower] = []

    def began(self, state: ImageState, mm: Mm) -> None:
        """A new program."""
        for one in self.followers:
            one.began(state, mm)

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        """A child."""
        for one in self.followers:
            one.forked(state, mm)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """A call."""
        for one in self.followers:
            one.after(state, mm, call, reason)

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        """A change by no call."""
        for one in self.followers:
            one.changed(mm, span)

    def ended(self, state: ImageState, mm: Mm) -> None:
        """An end."""
        for one in self.followers:
            one.ended(mm)


@final
class _Ear(TargetListener):
    """Hands what the model is asked to do to all that follow."""

    def __init__(self, hub: _Hub) -> None:
        self._hub = hub

    def applying(self, call: Call) -> None:
        """A call, perhaps once more."""
        for one in self._hub.followers:
            one.applying(call)

    def kept(self, call: Call) -> None:
        """A call before its turn."""
        for one in self._hub.followers:
            one.kept(call)

    def forking(self, ppid: int, pid: int, flags: int) -> None:
        """A child."""
        for one in self._hub.followers:
            one.forking(ppid, pid, flags)


@contextmanager
def started(targets: Sequence[TreeTarget]) -> Iterator[None]:
    """Enter targets, and start the worker that others are copied from. Errors: TargetError."""
    with ExitStack() as stack:
        for target in targets:
            stack.enter_context(target)
            assert target.executor is not None
            settings = Settings()
            began = target.executor.start(0, 0, 0, 256 * MIB, settings.limits())
            if isinstance(began, str):
                raise TargetError(f"{target.name}: a worker {began}")
        yield


def follow_on_trees(
    recording: RecordingFiles, targets: Sequence[TreeTarget], options: Options
) -> tuple[list[OnTree], ReplayReport]:
    """Replay a recording with its calls made on each of the `started` trees as well.

    Errors: ReadError, UsageError, TargetError.
    """
    hub = _Hub()
    replay = Replay(recording, options._replace(observers=(*options.observers, hub)))
    replay.target.listener = _Ear(hub)
    found = [OnTree(target.name, target.release) for target in targets]
    try:
        for target, one in zip(targets, found, strict=True):
            hub.followers.append(Follower(target, one, replay.target))
        report = replay.run()
        for target, one in zip(targets, found, strict=True):
            one.remarks = target.remarks()
    finally:
        for follower in hub.followers:
            follower.close()
    return found, report
