# SPDX-License-Identifier: GPL-2.0-or-later
"""How the map of an image grew, call by call: values, and a curve for notebooks."""

from collections.abc import Sequence
from typing import final, overload

from vmalab.explain.history.series import Sample
from vmalab.views.html.notebook import curve_svg


@final
class VmaTimeline(Sequence[Sample]):
    """Samples of one image, oldest first; of a long one, that of each part with most VMAs.

    image: its name. A sample has `index` (of the memory call), `line` (of the log), `call`, `vmas`,
    and, in pages, `total`, `data`, `stack`, `locked`.
    """

    __slots__ = ("_samples", "image")

    def __init__(self, image: str, samples: Sequence[Sample]) -> None:
        self.image = image
        self._samples = tuple(samples)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> "VmaTimeline": ...

    def __getitem__(self, index: int | slice) -> "Sample | VmaTimeline":
        if isinstance(index, slice):
            return VmaTimeline(self.image, self._samples[index])
        return self._samples[index]

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def peak(self) -> Sample:
        """The sample with the most VMAs. Errors: ValueError without samples."""
        return max(self._samples, key=lambda sample: sample.vmas)

    def __repr__(self) -> str:
        if not self._samples:
            return f"<Timeline of {self.image}: no samples>"
        last = self._samples[-1]
        return (
            f"<Timeline of {self.image}: {last.index} memory calls, {self.peak.vmas} VMAs at the "
            f"peak, {last.vmas} at the end>"
        )

    def _repr_html_(self) -> str:
        return curve_svg([(sample.index, sample.vmas) for sample in self._samples], self.image)
