# SPDX-License-Identifier: GPL-2.0-or-later
"""Random streams of calls on real kernels: the model answers as they do, call by call.

The kernel that runs the tests is asked through the executor; the kernels that `make kernels` has
fetched are booted in QEMU. VMALAB_LIVE_CALLS says how many calls are compared live;
VMALAB_GUESTS=all boots all fetched kernels, else the newest.
"""

import os
import shutil
from collections.abc import Iterator

import pytest

from vmalab import COMPILED
from vmalab.calls.call import U64_MAX, Call
from vmalab.check.finding import DIED
from vmalab.check.piece import make_simple, version_of
from vmalab.check.profiles import PROFILES
from vmalab.check.streams import check_stream
from vmalab.check.trial import OverBound, Trial
from vmalab.targets.model.versions import SUPPORTED
from vmalab.targets.opening import open_target
from vmalab.targets.real.build import cache_folder
from vmalab.targets.real.guest import PROGRAM
from vmalab.targets.real.live import LiveTarget
from vmalab.targets.real.real import TID, RealTarget
from vmalab.targets.real.settings import Settings
from vmalab.targets.real.target_errors import TargetError
from vmalab.views.check import finding_lines

from .conftest import unavailable

# Both modes answer alike (tests/twin): most calls are made where they take less time.
USUAL = "200000" if COMPILED else "60000"
CALLS = int(os.environ.get("VMALAB_LIVE_CALLS", USUAL)) // len(PROFILES)
GUEST_CALLS = 500
SEED = 7


@pytest.fixture(scope="module")
def live() -> Iterator[RealTarget]:
    """This machine's kernel, behind the executor."""
    context = LiveTarget()
    try:
        target = context.__enter__()
    except TargetError as error:
        unavailable(str(error))
        raise AssertionError from None
    yield target
    context.close()


def guests() -> list[str]:
    """The kernels to boot: the newest in the cache, or all of them."""
    folder = cache_folder() / "kernels"
    found = [series for series in SUPPORTED if (folder / series / "vmlinuz").is_file()]
    return found if os.environ.get("VMALAB_GUESTS") == "all" else found[-1:]


def compare(target: RealTarget, profile: str, calls: int) -> None:
    """Streams of a profile; a difference fails with all that is known of it."""
    trial = Trial(target, version_of(target))
    seed = SEED
    while trial.figures.calls < calls:
        try:
            found = check_stream(trial, profile, seed, min(2000, calls - trial.figures.calls))
        except OverBound:
            # The rest of the stream would take more memory than it may have.
            found = None
        if found is not None:
            shrunk = make_simple(found, trial)
            pytest.fail("\n".join(finding_lines(shrunk, target.name)), pytrace=False)
        seed += 1
    assert trial.figures.calls >= calls
    assert trial.figures.maps > 0


@pytest.mark.live
@pytest.mark.parametrize("profile", PROFILES)
def test_model_answers_as_this_kernel(live: RealTarget, profile: str) -> None:
    if version_of(live) not in SUPPORTED:
        unavailable(f"there is no profile of {live.release}")
    compare(live, profile, CALLS)


@pytest.mark.live
def test_a_list_of_calls_that_kills_the_worker_is_cut_to_the_call_that_does(
    live: RealTarget,
) -> None:
    """It answers nothing any more, so that any call of the list may have been the one."""
    anon = Call(TID, "mmap", (0x10000000, 4096, 3, 0x32, U64_MAX, 0))
    fatal = Call(TID, "munmap", (0x400000, 0x10000, 0, 0, 0, 0))
    trial = Trial(live, version_of(live))
    found = trial.run(Settings(), [anon, anon, fatal, anon], every=1)
    assert found is not None
    assert found.kind == DIED
    located = trial.locate(Settings(), found)
    assert (located.kind, located.calls) == (DIED, (anon, anon, fatal))


# A processor that is emulated takes half a minute to boot.
@pytest.mark.slow
@pytest.mark.qemu
@pytest.mark.parametrize("series", guests() or ["none"])
def test_model_answers_as_a_guest(series: str) -> None:
    if series == "none":
        unavailable("no kernels are in the cache: `make kernels` fetches them")
    if shutil.which(PROGRAM) is None:
        unavailable(f"{PROGRAM} is not installed")
    try:
        with open_target(f"qemu:{series}") as target:
            assert target.release.startswith(f"{series}.")
            for profile in PROFILES:
                compare(target, profile, GUEST_CALLS)
    except TargetError as error:
        unavailable(str(error))
