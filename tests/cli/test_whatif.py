# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab whatif` as a user runs it, and its predictions against the real program."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from vmalab.calls.errors import UsageError
from vmalab.cli.whatif import whatif

ROOT = Path(__file__).resolve().parents[2]
GUARDS = ROOT / "examples" / "guards"
RULE = """
from vmalab.linux.include.mm_flags import VM_NOHUGEPAGE
from vmalab.linux.mm.vma_internal import VmaInternal


class Together(VmaInternal):
    def __init__(self, config):
        super().__init__(config)
        self.vm_ignore_merge = self.vm_ignore_merge | VM_NOHUGEPAGE
"""


def run(*args: str | Path) -> Result:
    """Runs the verb."""
    return CliRunner().invoke(whatif, [str(arg) for arg in args])


def found_by(*args: str | Path) -> dict[str, object]:
    """The JSON of a run that no call fails in."""
    done = run("--json", *args)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_json() -> None:
    done = run("--json", GUARDS, "--guard-regions", "--drop", "madvise(MADV_NOHUGEPAGE)")
    found = json.loads(done.stdout)
    assert found["changes"] == [
        "without madvise(MADV_NOHUGEPAGE)",
        "guard regions in the place of guard pages",
    ]
    assert (found["left_out"], found["made_otherwise"], found["doubts"]) == (20, 50, [])
    [image] = found["images"]
    assert (image["recorded"]["vmas_end"], image["with_changes"]["vmas_end"]) == (163, 24)
    assert len(image["recorded"]["series"]) == len(image["with_changes"]["series"]) > 100
    assert image["recorded"]["series"][-1][3] == 163
    assert image["identical"] is False


def test_nothing_changed() -> None:
    done = run(GUARDS)
    assert "what if: nothing is changed" in done.stdout
    assert "over time" not in done.stdout
    [image] = found_by(GUARDS)["images"]
    assert image["identical"] is True
    assert image["recorded"] == image["with_changes"]


def test_calls_that_fail_now_are_an_exit_status() -> None:
    done = run(GUARDS, "--set", "vm.max_map_count=150")
    assert done.exit_code == 1
    assert "calls fail now:" in done.stdout
    assert "it fails now; the recording shows what followed when it passed" in done.stdout


def test_a_rule_of_a_file(tmp_path: Path) -> None:
    rule = tmp_path / "together.py"
    rule.write_text(RULE, "utf-8")
    found = found_by(GUARDS, "--rule", rule)
    assert found["changes"] == ["rule Together"]


@pytest.mark.parametrize(
    "args",
    [
        ["--drop", "open"],
        ["--set", "vm.max_map_count=many"],
        ["--rlimit", "NOFILE=3"],
        ["--kernel", "5.4"],
    ],
)
def test_what_cannot_be_changed(args: list[str]) -> None:
    done = run(GUARDS, *args)
    assert isinstance(done.exception, UsageError)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's program, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler here")
    built = tmp_path_factory.mktemp("guards") / "guards"
    subprocess.run([compiler, "-O1", "-o", built, GUARDS / "guards.c"], check=True)
    return built


@pytest.mark.live
@pytest.mark.parametrize(
    ("mode", "change"),
    [("regions", ["--guard-regions"]), ("plain", ["--drop", "madvise(MADV_NOHUGEPAGE)"])],
)
def test_the_real_program_does_as_predicted(
    program: Path, tmp_path: Path, mode: str, change: list[str]
) -> None:
    """Recorded as it is, the prediction is what the changed program has."""
    release = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
    if release < (6, 18):
        pytest.skip(f"Linux {os.uname().release}: no model of it has guard regions")
    folder = tmp_path / "recording"
    command = [sys.executable, "-m", "vmalab.cli.main", "record", "-o", folder, "--", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot record here: {done.stderr.strip()}")
    changed = subprocess.run([program, mode], capture_output=True, text=True, check=True)
    [image] = found_by(folder, *change)["images"]
    assert image["recorded"]["vmas_end"] == int(done.stdout)
    assert image["with_changes"]["vmas_end"] == int(changed.stdout)
