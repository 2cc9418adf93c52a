# SPDX-License-Identifier: GPL-2.0-or-later
"""What a piece of a program may do to its memory map, and why it went beyond that."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vmalab.api.recording import Recording
from vmalab.calls.errors import ReadError
from vmalab.explain.blame.culprits import SITE

# Causes and failed calls that an explanation names.
_TOLD: Final = 5
_BEFORE: Final = "(there before the log began)"


@dataclass(frozen=True, slots=True)
class WatchBounds:
    """What is allowed. max_vmas: how many VMAs may be added at the peak, None: any number.

    no_enomem: whether no memory call may fail with ENOMEM.
    """

    max_vmas: int | None = None
    no_enomem: bool = False

    def broken(self, recording: Recording, image: str) -> Iterator[str]:
        """Yield an explanation of each bound that an image of a recording has broken."""
        if self.max_vmas is not None:
            yield from self._too_many(recording, image, self.max_vmas)
        if self.no_enomem:
            yield from self._enomem(recording)

    def _too_many(self, recording: Recording, image: str, most: int) -> Iterator[str]:
        files = recording.files.image(image)
        before = None if files is None else files.initial()
        if before is None:
            raise ReadError(recording.path, 0, f"image {image} has no first map")
        report = recording.blame(image=image).report
        added = len(report.vmas) - len(before)
        if added <= most:
            return
        lines = [
            f"{added} VMAs were added at the peak ({len(before)} -> {len(report.vmas)}), "
            f"max_vmas={most} allows {most}:"
        ]
        causes = [share for share in report.shares[SITE] if share.cause != _BEFORE]
        lines += [f"{share.vmas:8} VMAs: {share.cause}" for share in causes[:_TOLD]]
        if len(causes) > _TOLD:
            rest = sum(share.vmas for share in causes[_TOLD:])
            lines.append(f"{rest:8} VMAs: {len(causes) - _TOLD} more places")
        yield "\n".join(lines)

    def _enomem(self, recording: Recording) -> Iterator[str]:
        found = recording.enomem()
        groups = [group for group in found.groups if group.errno == "ENOMEM"]
        if not groups:
            return
        count = sum(group.count for group in groups)
        lines = [f"{count} memory call{'s' * (count > 1)} failed with ENOMEM:"]
        for refused in [one for one in found.refused if one.errno == "ENOMEM"][:_TOLD]:
            lines.append(f"  {refused.call}")
            lines.append(f"    {refused.verdict.check}: {refused.verdict.why}")
            if refused.verdict.remedy:
                lines.append(f"    would have let it pass: {refused.verdict.remedy}")
        yield "\n".join(lines)
