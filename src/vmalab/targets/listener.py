# SPDX-License-Identifier: GPL-2.0-or-later
"""Who hears what a target is asked to do: told of everything that can change its machine."""

from mypy_extensions import mypyc_attr

from vmalab.calls.call import Call
from vmalab.calls.snapshot import Snapshot
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.recording.format.meta import MetaImage


@mypyc_attr(allow_interpreted_subclasses=True)
class TargetListener:
    """Hears of requests and changes nothing; override what is of interest."""

    def began(self, pid: int, image: MetaImage, first_map: Snapshot | None, built: bool) -> None:
        """A process has become a new program; built: from the headers of its file."""

    def forking(self, ppid: int, pid: int, flags: int) -> None:
        """A process is about to get a child or a thread; flags: CLONE_*."""

    def exiting(self, tid: int) -> None:
        """A thread is about to end."""

    def applying(self, call: Call) -> None:
        """A call is about to be carried out; perhaps once more, after it has been undone."""

    def applying_usual(self, task: Task, call: Call) -> None:
        """The same of a task's call of which nothing is to be learnt, once.

        Its registers say all of it: see `replay.usual_calls`. It will be told of as judged,
        whatever it answers.
        """
        self.applying(call)

    def kept(self, call: Call) -> None:
        """A call that was carried out before its turn, while others were under way, has stayed."""

    def following(self, call: Call) -> None:
        """A call that is no memory call is about to be followed."""

    def revealed(self, mm: Mm, start: int, end: int, writable: bool) -> None:
        """Something was there before the log began: `[start, end)`, in bytes."""
