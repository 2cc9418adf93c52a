# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual's notebook prints, run anew, what stands in it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs").rglob("*.ipynb"))


def outputs(notebook: Any) -> list[Any]:
    """What each cell printed, without what differs from run to run."""
    return [
        [{key: part for key, part in each.items() if key != "execution_count"} for each in outs]
        for cell in notebook["cells"]
        if cell["cell_type"] == "code" and (outs := joined(cell["outputs"])) is not None
    ]


def joined(parts: list[Any]) -> list[Any]:
    """Streams that follow each other as one: where they are cut is chance."""
    found: list[Any] = []
    for part in parts:
        text = "".join(part.get("text", []))
        if found and part["output_type"] == found[-1]["output_type"] == "stream":
            found[-1]["text"] += text
        else:
            found.append(part | ({"text": text} if "text" in part else {}))
    return found


def test_there_is_a_notebook_whose_cells_have_run() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        told = [str(each) for each in outputs(json.loads(path.read_text("utf-8")))]
        assert sum("<svg" in each for each in told) >= 3
        assert not [each for each in told if "'error'" in each]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_prints_what_it_shows(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("nbconvert", reason="nbconvert is not installed (extra notebook)")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed (extra notebook)")
    command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute"]
    command += ["--output-dir", str(tmp_path), str(path)]
    env = os.environ | {"PYTHONPATH": str(path.parents[2] / "src")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    again = json.loads((tmp_path / path.name).read_text("utf-8"))
    assert outputs(again) == outputs(json.loads(path.read_text("utf-8")))
