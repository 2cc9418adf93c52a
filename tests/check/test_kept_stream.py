# SPDX-License-Identifier: GPL-2.0-or-later
"""Random streams that real kernels have carried out go in the model as they did there.

tools/keep_stream.py makes the files, one stream each, named by the kernel and the profile.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from vmalab.check.kept_stream import first_difference, keep, unpacked
from vmalab.check.piece import version_of
from vmalab.check.trial import Trial
from vmalab.linux.include.features import VERSIONS
from vmalab.targets.real.live import LiveTarget
from vmalab.targets.real.target_errors import TargetError

DATA = Path(__file__).parents[1] / "data" / "drawn"
FILES = sorted(DATA.iterdir())
OLDEST = DATA / "linux-6.1-mix.json.gz"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".json.gz"))
def test_the_model_does_as_the_kernel_did(path: Path) -> None:
    stream = unpacked(path.read_bytes())
    assert len(stream.calls) >= 200
    assert len(stream.maps) >= 5
    assert first_difference(stream) == ""


def test_a_file_is_what_it_was_made_of() -> None:
    stream = unpacked(OLDEST.read_bytes())
    assert unpacked(stream.packed()).packed() == stream.packed()


def test_another_result_is_a_difference() -> None:
    stream = unpacked(OLDEST.read_bytes())
    results = (*stream.results[:99], -1, *stream.results[100:])
    assert first_difference(replace(stream, results=results)).startswith("call 100, ")


def test_another_map_is_a_difference() -> None:
    stream = unpacked(OLDEST.read_bytes())
    maps = {**stream.maps, 100: stream.maps[150]}
    assert first_difference(replace(stream, maps=maps)).startswith("the map after call 100: ")


def test_another_version_does_otherwise() -> None:
    stream = unpacked(OLDEST.read_bytes())
    major, minor = VERSIONS[-1]
    assert first_difference(stream, f"{major}.{minor}")


@pytest.mark.live
@pytest.mark.parametrize("profile", ["dense", "sharing"])
def test_a_stream_of_this_machine_is_kept_as_it_goes(profile: str) -> None:
    """With children, whose exits have no result."""
    context = LiveTarget()
    try:
        target = context.__enter__()
    except TargetError as error:
        pytest.skip(str(error))
    try:
        stream = keep(Trial(target, version_of(target)), profile, 5, 120)
    finally:
        context.close()
    assert len(stream.calls) == len(stream.results) == 120
    assert list(stream.maps) == [50, 100, 120]
    assert first_difference(stream) == ""
