# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual's page on rules of one's own does what it says, and bad rules are refused."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.calls.errors import VmalabError
from vmalab.testing import CheckingInternal, conformance
from vmalab.testing.seams.rules import checked, load_seam

Run = Callable[..., subprocess.CompletedProcess[str]]

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "howto" / "rules.md").read_text("utf-8")


def block(language: str) -> str:
    """The page's only block of a language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    """The file of the page."""
    path = tmp_path / "ignore_dontdump.py"
    path.write_text(block("python"), "utf-8")
    return path


def test_the_cases_that_fail_are_those_of_the_page(vmalab_here: Run, rule: Path) -> None:
    done = vmalab_here("test", "--seam", rule)
    failed = re.findall(r"^\S+: (\S+) failed$", done.stdout, re.MULTILINE)
    assert (done.returncode, failed, done.stderr) == (1, block("output").split(), "")


def test_a_recording_runs_under_the_rule(vmalab_here: Run, rule: Path, examples: Path) -> None:
    assert vmalab_here("replay", examples / "dense-1").returncode == 0
    under = vmalab_here("replay", "--seam", rule, examples / "dense-1")
    assert (under.returncode, under.stderr) == (1, "")
    assert "differ" in under.stdout


def test_the_rule_conforms(rule: Path) -> None:
    seam = load_seam(str(rule))
    assert seam.__name__ == "IgnoreDontdump"
    assert conformance(seam) == []
    assert issubclass(checked(seam), CheckingInternal)
    assert checked(CheckingInternal) is CheckingInternal


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x = 1\n", "one subclass of VmaInternal is needed, it defines none"),
        ("import no_such_module\n", "cannot be loaded: ModuleNotFoundError"),
        ("def broken(:\n", "cannot be loaded: SyntaxError"),
    ],
)
def test_a_file_without_a_rule_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "bad_rule.py"
    path.write_text(text, "utf-8")
    with pytest.raises(VmalabError, match=why):
        load_seam(str(path))


def test_what_is_no_seam_is_refused(rule: Path) -> None:
    with pytest.raises(VmalabError, match="no such file"):
        load_seam("nowhere.py")
    with pytest.raises(VmalabError, match="KernelConfig is no subclass of VmaInternal"):
        load_seam(f"{rule}:KernelConfig")
    assert load_seam("vmalab.testing.seams.strict:StrictInternal").__name__ == "StrictInternal"
