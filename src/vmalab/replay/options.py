# SPDX-License-Identifier: GPL-2.0-or-later
"""What can be asked of a replay."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from vmalab.replay.observer import Observer
from vmalab.replay.population import Bounds
from vmalab.targets.model.attached import AttachedPast
from vmalab.targets.model.model import SeamMaker


class Options(NamedTuple):
    """What a user asked of a replay.

    kernel: version to behave as, None for the recording's own. stop: at the first difference.
    maps: keep the final maps. story: observe what merges and splits. progress: called with the
    number of calls so far. seam: makes the engine's seam, None for the usual one. features: by
    name, whether the kernel has them, whatever its version says. observers: who watches. until: the
    line of the log that is the last to be replayed, 0 for all; images that live then do not end.
    bounds: of all processes. before: what attached processes are supposed to have done, by image;
    None: seek.
    """

    kernel: str | None = None
    stop: bool = False
    maps: bool = False
    story: bool = False
    progress: Callable[[int], None] | None = None
    seam: SeamMaker | None = None
    features: Mapping[str, bool] = {}
    observers: tuple[Observer, ...] = ()
    until: int = 0
    bounds: Bounds = Bounds()
    before: Mapping[str, AttachedPast] | None = None
