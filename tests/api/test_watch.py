# SPDX-License-Identifier: GPL-2.0-or-later
"""A process that records itself, and tests that the marker of the pytest plugin watches."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import vmalab
from vmalab.api.bounds import WatchBounds
from vmalab.calls.errors import VmalabError

TESTS = """
import mmap
import pytest

@pytest.mark.vmalab(max_vmas=10, no_enomem=True, stacks=False)
def test_within():
    held = mmap.mmap(-1, 4096)

@pytest.mark.vmalab(max_vmas=10)
def test_beyond():
    held = [mmap.mmap(-1, 4096, prot=1 + number % 2, flags=0x22) for number in range(40)]

@pytest.mark.vmalab(no_enomem=True)
def test_refused():
    with pytest.raises((OSError, OverflowError)):
        mmap.mmap(-1, 1 << 46)

@pytest.mark.vmalab(max_vmas=-1)
def test_misused(): ...

@pytest.mark.vmalab(most=3)
def test_mistyped(): ...

@pytest.mark.vmalab(max_vmas=1000, stacks=False)
def test_fails_by_itself():
    assert 1 == 2

def test_unmarked(): ...
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints of such tests."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "test_mine.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--strict-markers", "-p", "vmalab.pytest_plugin"]
    # Other plugins take longer to load than this one to test.
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, cwd=folder, env=alone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stderr
    return done.stdout


@pytest.mark.live
def test_only_what_is_beyond_its_bounds_fails(said: str) -> None:
    assert "5 failed, 2 passed" in said
    failed = {line.split()[1].split("::")[1] for line in said.splitlines() if "FAILED " in line}
    assert failed == {
        "test_beyond",
        "test_refused",
        "test_misused",
        "test_mistyped",
        "test_fails_by_itself",
    }


@pytest.mark.live
def test_too_many_vmas_are_put_down_to_their_calls(said: str) -> None:
    assert "VMAs were added at the peak" in said
    assert "max_vmas=10 allows 10:" in said
    assert "mmap(PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS)" in said


@pytest.mark.live
def test_a_refused_call_is_explained(said: str) -> None:
    assert "vmalab: 1 memory call failed with ENOMEM:" in said
    assert "mmap(NULL, 70368744177664" in said


@pytest.mark.live
def test_a_marker_that_says_nonsense_fails(said: str) -> None:
    assert "vmalab: max_vmas is a number of VMAs, not -1" in said
    assert "vmalab: the marker takes max_vmas, no_enomem, stacks, not most" in said


@pytest.mark.live
def test_a_failure_of_the_test_itself_stays_its_own(said: str) -> None:
    assert "assert 1 == 2" in said


@pytest.mark.live
def test_a_process_records_itself(tmp_path: Path) -> None:
    code = f"""
    import mmap, vmalab
    with vmalab.watch({str(tmp_path / "seen")!r}, stacks=False) as seen:
        held = [mmap.mmap(-1, 4096, prot=1 + n % 2, flags=0x22) for n in range(20)]
    report = seen.recording.replay()
    assert report.total.differ == 0, report.differences
    first = len(seen.recording.files.image(seen.image).initial())
    print(len(seen.recording.blame(image=seen.image).report.vmas) - first)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 19
    assert (tmp_path / "seen" / "meta.json").exists()


def test_a_block_that_cannot_be_recorded_says_why(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    # Before it may stand that there is no libunwind on this machine.
    with (
        pytest.raises(VmalabError, match=r"(?s)cannot be recorded: .*full"),
        vmalab.watch(str(tmp_path / "full")),
    ):
        pass
    with pytest.raises(VmalabError, match="nothing was recorded yet"):
        _ = vmalab.Watch(str(tmp_path / "full")).recording


def test_bounds_of_a_recording_without_calls_are_kept(examples: Path) -> None:
    recording = vmalab.Recording.open(str(examples / "python-rlimit-as"))
    [image] = recording.images
    assert list(WatchBounds(max_vmas=1000).broken(recording, image)) == []
    [told] = WatchBounds(no_enomem=True).broken(recording, image)
    assert told.startswith("6 memory calls failed with ENOMEM:\n  mmap(NULL, 1052672")
    [told] = WatchBounds(max_vmas=3).broken(recording, image)
    assert "VMAs were added at the peak" in told
