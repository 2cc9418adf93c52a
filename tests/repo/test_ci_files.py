# SPDX-License-Identifier: GPL-2.0-or-later
"""Files for build servers and containers do what they say: nox, the action, pre-commit, image."""

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


class Session:
    """Stands for nox's: notes what would be installed and run."""

    posargs: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.done: list[tuple[Any, ...]] = []

    def install(self, *arguments: str) -> None:
        self.done.append(("install", *arguments))

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> None:
        self.done.append((*arguments, env or {}))


@pytest.fixture(scope="module")
def noxfile(root: Path) -> dict[str, Any]:
    """What the file defines, with something in the place of nox that changes no function."""

    def session(function: Any = None, **_: Any) -> Any:
        return function or (lambda given: given)

    nox = ModuleType("nox")
    vars(nox).update(
        session=session,
        parametrize=lambda *_: session,
        options=type("Options", (), {}),
        Session=Session,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "nox", nox)
        return runpy.run_path(str(root / "noxfile.py"))


def test_nox_tries_every_python(noxfile: dict[str, Any]) -> None:
    assert noxfile["PYTHONS"] == PYTHONS


def test_wheels_are_built_for_every_python(root: Path) -> None:
    tools = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]
    assert tools["cibuildwheel"]["build"] == [f"cp{name.replace('.', '')}-*" for name in PYTHONS]
    assert tools["cibuildwheel"]["environment"] == {"VMALAB_COMPILE": "1"}


def test_interpreted_tests_compile_nothing(noxfile: dict[str, Any]) -> None:
    session = Session()
    noxfile["tests"](session, "interpreted")
    [_, run] = session.done
    assert run[-1] == {"VMALAB_TEST_MODE": "interpreted"}


def test_compiled_tests_run_what_was_compiled(noxfile: dict[str, Any]) -> None:
    session = Session()
    noxfile["tests"](session, "compiled")
    [_, compiling, run] = session.done
    assert compiling == ("python", "tools/compiled.py", {})
    assert run[-1] == {"VMALAB_TEST_MODE": "compiled", "PYTHONPATH": "build/compiled"}


def test_kernel_trees_are_looked_at_by_schedule(root: Path, noxfile: dict[str, Any]) -> None:
    workflow = yaml.safe_load((root / ".github/workflows/trees.yml").read_text("utf-8"))
    # YAML takes the word `on` for true.
    assert workflow[True]["schedule"]
    [step] = [one["run"] for one in workflow["jobs"]["trees"]["steps"] if "run" in one]
    assert os.access(root / step.split()[0], os.X_OK)
    session = Session()
    noxfile["trees"](session)
    [_, run] = session.done
    recipe = re.search(r"^check-new-trees:.*?\n\n", (root / "Makefile").read_text(), re.M | re.S)
    assert recipe is not None
    assert " ".join(run[:-1]) in recipe[0]


def test_nox_checks_what_make_lint_does(root: Path, noxfile: dict[str, Any]) -> None:
    session = Session()
    noxfile["lint"](session)
    recipe = re.search(r"^lint:.*?\n\n", (root / "Makefile").read_text("utf-8"), re.M | re.S)
    assert recipe is not None
    wanted = re.findall(r"\$\(BIN\)/(.*)", recipe[0])
    assert [" ".join(each[:-1]) for each in session.done[1:]] == wanted


def test_pre_commit_checks_what_make_lint_does(root: Path) -> None:
    config = yaml.safe_load((root / ".pre-commit-config.yaml").read_text("utf-8"))
    recipe = re.search(r"^lint:.*?\n\n", (root / "Makefile").read_text("utf-8"), re.M | re.S)
    assert recipe is not None
    wanted = [each.removesuffix(" --check") for each in re.findall(r"\$\(BIN\)/(.*)", recipe[0])]
    [repo] = config["repos"]
    entries = [hook["entry"].removeprefix(".venv/bin/") for hook in repo["hooks"]]
    assert [each.removesuffix(" --fix") for each in entries] == wanted


@pytest.fixture(scope="module")
def action(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((root / "action.yml").read_text("utf-8"))
    return found


def test_inputs_reach_the_action_by_the_environment_only(action: dict[str, Any]) -> None:
    steps = action["runs"]["steps"]
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []
    used = set(re.findall(r"\$\{\{ inputs\.(\w+) \}\}", str(steps)))
    assert used == action["inputs"].keys()


def run_action(root: Path, folder: Path, statuses: str, **inputs: str) -> tuple[int, str]:
    """Run the action's script with a command `vmalab` that prints its arguments, one a line.

    statuses: with which one the first word of its arguments ends it: "replay=1 test=0".
    """
    (folder / "vmalab").write_text(
        '#!/bin/sh\nprintf "<%s>\\n" "$@"\n'
        f'for each in {statuses}; do [ "${{each%=*}}" != "$1" ] || exit "${{each#*=}}"; done\n'
    )
    (folder / "vmalab").chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    done = subprocess.run(
        [str(root / "tools/action.sh")],
        env={"PATH": path, **{f"VMALAB_{name.upper()}": text for name, text in inputs.items()}},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_the_action_replays_with_annotations(root: Path, tmp_path: Path) -> None:
    status, said = run_action(root, tmp_path, "replay=0", replay="a b", kernel="6.12")
    assert status == 0
    assert said.splitlines() == ["<replay>", "<--github>", "<--kernel=6.12>", "<-->", "<a>", "<b>"]


def test_the_action_ends_with_the_worst_status(root: Path, tmp_path: Path) -> None:
    status, said = run_action(root, tmp_path, "replay=2 test=1", replay="a", tree="t")
    assert status == 2
    assert said.splitlines()[-3:] == ["<test>", "<--ktap>", "<--tree=t>"]


def test_inputs_are_not_executed(root: Path, tmp_path: Path) -> None:
    hostile = "$(touch$IFS.seen) `touch seen` * ; --seam=x"
    status, said = run_action(root, tmp_path, "replay=0", replay=hostile)
    assert status == 0
    assert said.splitlines()[2:] == [f"<{word}>" for word in ["--", *hostile.split()]][0:]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vmalab"]


def test_an_action_without_inputs_is_an_error(root: Path, tmp_path: Path) -> None:
    status, said = run_action(root, tmp_path, "")
    assert status == 2
    assert said.startswith("::error::vmalab: nothing to do")


@pytest.fixture(scope="module")
def stages(root: Path) -> dict[str, list[str]]:
    """The instructions of the container file, each on one line, by the name of their stage."""
    text = (root / "Containerfile").read_text("utf-8").replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if stage := re.fullmatch(r"FROM (\S+)(?: AS (\S+))?", line):
            found[stage[2] or "last"] = []
        elif line and not line.startswith("#"):
            list(found.values())[-1].append(" ".join(line.split()))
    return found


def installed(instructions: list[str]) -> set[str]:
    """The Debian packages that a stage installs."""
    [line] = [each for each in instructions if "apt-get install" in each]
    options, _, _ = line.partition("apt-get install ")[2].partition(" &&")
    return {word for word in options.split() if not word.startswith("-")}


def test_an_image_compiles_in_one_stage_and_has_no_compiler_in_the_other(
    stages: dict[str, list[str]],
) -> None:
    assert list(stages) == ["build", "last"]
    assert {"gcc", "libc6-dev", "python3-dev"} <= installed(stages["build"])
    assert installed(stages["last"]) == {"python3", "python3-venv"}
    [wheel] = [line for line in stages["build"] if "pip wheel" in line]
    assert wheel.startswith("RUN VMALAB_COMPILE=1 ")


def test_an_image_installs_what_its_other_stage_has_built(stages: dict[str, list[str]]) -> None:
    [wheel] = [line for line in stages["build"] if "pip wheel" in line]
    [install] = [line for line in stages["last"] if "pip install" in line]
    mount = re.search(r"--mount=type=bind,from=(\w+),source=(\S+),target=(\S+)", install)
    assert mount is not None
    assert mount[1] in stages
    assert f"--wheel-dir {mount[2]} " in wheel
    assert f"--no-index --find-links {mount[3]} vmalab" in install


def test_an_image_runs_the_command(root: Path, stages: dict[str, list[str]]) -> None:
    scripts = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    [entry] = [line for line in stages["last"] if line.startswith("ENTRYPOINT ")]
    [command] = json.loads(entry.partition(" ")[2])
    assert command in scripts


def test_an_image_is_not_built_from_what_was_built_before(root: Path) -> None:
    ignored = (root / ".dockerignore").read_text("utf-8").split()
    assert {".venv*", "build", "dist", ".git", "**/__pycache__"} <= set(ignored)
