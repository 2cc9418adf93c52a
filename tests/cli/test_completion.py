# SPDX-License-Identifier: GPL-2.0-or-later
"""What shells complete: verbs, kernels, processes and files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vmalab.targets.model.versions import SUPPORTED


def completed(*words: str) -> list[str]:
    """What bash would offer for the last of some words, with its kind."""
    asked = {"_VMALAB_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(("vmalab", *words))}
    done = subprocess.run(
        [sys.executable, "-m", "vmalab"],
        env=os.environ | asked | {"COMP_CWORD": str(len(words))},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split()


def test_verbs() -> None:
    assert completed("wh") == ["plain,why", "plain,whatif"]


def test_kernels() -> None:
    assert completed("replay", "--kernel", "6.1") == [
        f"plain,{version}" for version in SUPPORTED if version.startswith("6.1")
    ]


def test_processes_and_files() -> None:
    assert f"plain,{os.getpid()}" in completed("why", str(os.getpid()))
    assert completed("why", "ru") == ["file,ru"]


def script_of(shell: str) -> str:
    """What a shell runs to complete, as the command prints it."""
    command = [sys.executable, "-m", "vmalab", "completion", shell]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_shell_runs_asks_the_command(shell: str) -> None:
    assert "_VMALAB_COMPLETE" in script_of(shell)


# How each shell is asked what it offers for the last of the words "$2" and so on, as their lines
# after the script "$1" has been read. zsh: what shows the matches, put in the place of its own.
OFFERS = {
    "bash": """
        source "$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _vmalab_completion vmalab
        printf '%s\\n' "${COMPREPLY[@]}"
    """,
    "zsh": """
        compdef() { }
        compadd() { print -l -- "${completions[@]}" }
        _describe() { print -l -- "${completions_with_descriptions[@]%%:*}" }
        source "$1"; shift
        words=("$@") CURRENT=$#
        _vmalab_completion
    """,
    "fish": """
        source $argv[1]
        complete -C (string join -- " " $argv[2..]) | string replace -r "\\t.*" ""
    """,
}


def offered(shell: str, folder: Path, *words: str) -> set[str]:
    """What a shell offers for the last word."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} to read it")
    script, command = folder / "script", folder / "vmalab"
    script.write_text(script_of(shell))
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m vmalab "$@"\n')
    command.chmod(0o755)
    options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    # The name that a shell's own messages have; fish takes none.
    name = [] if shell == "fish" else ["test"]
    done = subprocess.run(
        [shell, *options, "-c", OFFERS[shell], *name, str(script), "vmalab", *words],
        env=os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_offers_verbs_kernels_options_and_processes(shell: str, tmp_path: Path) -> None:
    assert offered(shell, tmp_path, "wh") == {"why", "whatif"}
    kernels = {version for version in SUPPORTED if version.startswith("6.1")}
    assert offered(shell, tmp_path, "replay", "--kernel", "6.1") == kernels
    assert offered(shell, tmp_path, "replay", "--sto") == {"--story", "--stop"}
    assert str(os.getpid()) in offered(shell, tmp_path, "why", str(os.getpid()))
