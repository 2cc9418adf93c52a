# SPDX-License-Identifier: GPL-2.0-or-later
"""Who watches a replay: told of every address space's beginning, calls and end, in order."""

from mypy_extensions import mypyc_attr

from vmalab.calls.call import Call
from vmalab.linux.types.mm_types import Mm
from vmalab.replay.process_image import ImageState


@mypyc_attr(allow_interpreted_subclasses=True)
class Observer:
    """Watches a replay and changes nothing; override what is of interest.

    An image is told of only while the recording holds it (a bare log: always). In every method
    `mm` is the image's address space in the model, whole at that moment.
    """

    def began(self, state: ImageState, mm: Mm) -> None:
        """An image has the first map of a new program (it is empty where none is recorded)."""

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        """An image began as a copy of its parent's; the parent is unknown to some recordings."""

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        """A memory call, or a close that takes a userfaultfd off, is about to be carried out."""

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """It has been carried out and judged.

        reason: None when it was as predicted, "" when it was not, else why it was adopted.
        """

    def refused(self, state: ImageState, mm: Mm, call: Call) -> None:
        """A call of `calls.table.OUTSIDE`, which is no memory call, has failed."""

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        """The map changed in `span` by no call of its own: a fault, or another task.

        line: of the log, where it was seen. span: half-open, in bytes.
        """

    def ended(self, state: ImageState, mm: Mm) -> None:
        """The image is about to end; its last map has been compared."""
