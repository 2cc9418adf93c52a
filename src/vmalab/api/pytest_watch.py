# SPDX-License-Identifier: GPL-2.0-or-later
"""The marker `vmalab` of the pytest plugin: a test is watched, and fails beyond its bounds."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from vmalab.api.bounds import WatchBounds
from vmalab.api.watch import Watch
from vmalab.calls.errors import VmalabError

_KNOWN = {"max_vmas", "no_enomem", "stacks"}


@contextmanager
def watched(marker: pytest.Mark) -> Iterator[Watch]:
    """Record this process while the block runs. A marker that asks for the unknown fails."""
    bounds_of(marker)
    watch = Watch(stacks=bool(marker.kwargs.get("stacks", True)))
    try:
        with watch:
            yield watch
    except VmalabError as error:
        watch.close()
        pytest.fail(f"vmalab: {error}", pytrace=False)
    except BaseException:
        watch.close()
        raise


def fail_beyond(marker: pytest.Mark, watch: Watch) -> None:
    """Fail the test, with the explanation, when a bound was broken."""
    try:
        broken = list(bounds_of(marker).broken(watch.recording, watch.image))
    except VmalabError as error:
        broken = [str(error)]
    finally:
        watch.close()
    if broken:
        pytest.fail("vmalab: " + "\nvmalab: ".join(broken), pytrace=False)


def bounds_of(marker: pytest.Mark) -> WatchBounds:
    """Return what a marker allows. A marker that cannot be understood fails the test."""
    unknown = sorted(marker.kwargs.keys() - _KNOWN)
    most = marker.kwargs.get("max_vmas")
    if marker.args or unknown:
        named = ", ".join([*map(repr, marker.args), *unknown])
        pytest.fail(f"vmalab: the marker takes {', '.join(sorted(_KNOWN))}, not {named}", False)
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 0):
        pytest.fail(f"vmalab: max_vmas is a number of VMAs, not {most!r}", False)
    return WatchBounds(most, bool(marker.kwargs.get("no_enomem", False)))
