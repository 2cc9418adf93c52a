# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures that documents show are those of the kept benchmark run that they name."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def tool(root: Path) -> dict[str, Any]:
    return runpy.run_path(str(root / "tools" / "figures.py"))


def test_figures_are_those_of_the_kept_run(root: Path, tool: dict[str, Any]) -> None:
    text = (root / "docs/reference/bench.md").read_text("utf-8")
    assert tool["written"](text, root) == text


def test_the_manual_shows_figures(root: Path, tool: dict[str, Any]) -> None:
    assert tool["BLOCK"].search((root / "docs/reference/bench.md").read_text("utf-8"))


def test_kept_runs_say_where_they_come_from(root: Path) -> None:
    kept = sorted((root / "benchmarks" / "results").glob("*-cores.json"))
    assert kept
    for path in kept:
        results = json.loads(path.read_text("utf-8"))
        assert {"cpu", "cores", "kernel", "python", "vmalab"} <= set(results["machine"])
        assert all(times["pairs"] >= 5 for times in results["profiles"].values())
