# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds when each image of a replay had the most VMAs, and keeps how they were then.

Of a bare log that can be done in one replay, where nothing changes memory but its calls. Whether it
was so is known at the end; see `PeakKeeper.layout`.
"""

from typing import final

from vmalab.calls.call import Call
from vmalab.calls.snapshot import Snapshot
from vmalab.calls.table import MAPS
from vmalab.explain.why.boundaries import LayoutCost
from vmalab.explain.why.peak_picture import PeakPicture
from vmalab.linux.include.uapi.mman import MAP_ANONYMOUS
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.recording.format.meta import MetaImage
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.targets.listener import TargetListener


@final
class ImagePeak:
    """The peak of one image. line: of the call after which there were so many VMAs, 0 for none.

    picture: of it, None for nobody who wants one; layout: taken from that at the image's end.
    """

    def __init__(self, most: int, picture: PeakPicture | None) -> None:
        self.most = most
        self.line = 0
        self.picture = picture
        self.layout: LayoutCost | None = None


@final
class PeakKeeper(Observer):
    """Finds when each image had the most VMAs: `peaks`, by name.

    image: the only one to take a layout of, None: the one with the most VMAs. pictures: whether
    layouts are wanted; then `ear` has to listen to the target.
    """

    def __init__(self, image: str | None, *, pictures: bool) -> None:
        self.peaks: dict[str, ImagePeak] = {}
        self.ear = _Listening(self)
        self._image = image
        self.pictures = pictures
        # The call that is being judged.
        self.at_hand: Call | None = None
        # The most VMAs of an image whose layout has been taken.
        self._taken = 0

    def began(self, state: ImageState, mm: Mm) -> None:
        """A first map."""
        # An image of a name that there was says nothing of that one's end.
        wanted = self.pictures and state.name not in self.peaks and state.source is None
        picture = PeakPicture(mm) if wanted else None
        if picture is not None:
            picture.note_files(None)
        self.peaks[state.name] = ImagePeak(mm.map_count, picture)

    def forked(self, state: ImageState, mm: Mm, parent: ImageState | None) -> None:
        """A copied map; what was copied had been written to."""
        self.began(state, mm)
        if parent is not None:
            self._doubt(parent)

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        """Keep what the call may change."""
        self.at_hand = call
        peak = self.peaks.get(state.name)
        picture = None if peak is None else peak.picture
        if peak is None or picture is None or not picture.sure:
            return
        if call.line <= peak.line:
            # It belongs to the moment of the peak.
            picture.sure = False
        picture.save(state.touched)

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        """The map after a call; if the first one was larger, the peak was before the call."""
        if reason is not None:
            self.doubt()
        peak = self.peaks.get(state.name)
        if peak is None:
            peak = self.peaks[state.name] = ImagePeak(0, None)
        picture = peak.picture
        if picture is not None and call.row.family & MAPS and not call.a3 & MAP_ANONYMOUS:
            picture.note_files(state.touched)
        if mm.map_count > peak.most or (peak.line == 0 and mm.map_count == peak.most):
            peak.most, peak.line = mm.map_count, call.line
            if picture is not None:
                picture.renew()
        elif peak.line == 0:
            peak.line = call.line - 1

    def changed(self, state: ImageState, mm: Mm, line: int, span: tuple[int, int]) -> None:
        """The map after a change without a call."""
        self.doubt()
        peak = self.peaks.setdefault(state.name, ImagePeak(0, None))
        if mm.map_count > peak.most:
            peak.most, peak.line = mm.map_count, line

    def ended(self, state: ImageState, mm: Mm) -> None:
        """Take the layout of an image that may be the one that is wanted."""
        peak = self.peaks.get(state.name)
        if peak is None or peak.picture is None:
            return
        if self._image in (None, state.name) and peak.most >= self._taken:
            self._taken = peak.most
            peak.layout = peak.picture.layout()
        peak.picture = None

    def doubt(self) -> None:
        """Memory may have changed in a way that nobody was told of before."""
        for peak in self.peaks.values():
            if peak.picture is not None:
                peak.picture.sure = False

    def _doubt(self, state: ImageState) -> None:
        """The same of one image."""
        peak = self.peaks.get(state.name)
        if peak is not None and peak.picture is not None:
            peak.picture.sure = False

    def chosen(self) -> tuple[str | None, ImagePeak | None]:
        """Return the image that is wanted, by its name, and its peak; None: there is none."""
        name = self._image
        if name is None and self.peaks:
            name = max(self.peaks, key=lambda one: self.peaks[one].most)
        return name, None if name is None else self.peaks.get(name)


@final
class _Listening(TargetListener):
    """Hears of what the model does beside the calls at hand."""

    def __init__(self, keeper: PeakKeeper) -> None:
        self._keeper = keeper

    def began(self, pid: int, image: MetaImage, first_map: Snapshot | None, built: bool) -> None:
        """It has no other address space."""

    def applying(self, call: Call) -> None:
        """A call may be tried before its turn."""
        if call is not self._keeper.at_hand:
            self._keeper.doubt()

    def applying_usual(self, task: Task, call: Call) -> None:
        """It is at hand."""

    def revealed(self, mm: Mm, start: int, end: int, writable: bool) -> None:
        """Something was there all the time, and is known only now."""
        self._keeper.doubt()
