# SPDX-License-Identifier: GPL-2.0-or-later
"""What is seen on random walks, as a trail of digests that engines of two processes can compare."""

import random
from collections.abc import Iterator, Sequence
from hashlib import blake2b

from vmalab.testing.cases.leaks import counters
from vmalab.testing.walks.walk import Walk, random_walk, walk_on


def trail(seeds: Sequence[int], steps: int, kernel: str = "") -> Iterator[str]:
    """Walk from each seed, and yield a digest of each layout and of each step.

    Engines that agree have equal trails: what is drawn depends on the seed and on what was seen.
    The end of a walk is told with the next layout.
    """
    end = ""
    for seed in seeds:
        walk = random_walk(seed, kernel=kernel, twin=False)
        yield digest(walk) + end
        rng = random.Random(seed + 1)
        for _ in range(steps):
            if walk_on(walk, rng, 1) == 0:
                break
            yield digest(walk)
        if not walk.found and not walk.over:
            walk.end()
        end = digest(walk)
    yield end


def digest(walk: Walk) -> str:
    """Hash what is seen after the last step of a walk."""
    seen = [(bench.regions(), counters(bench.mm), bench.log) for bench in walk.benches]
    text = repr((walk.steps[-1:], walk.found, walk.over, seen))
    return blake2b(text.encode(), digest_size=16).hexdigest()
