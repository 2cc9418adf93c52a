# SPDX-License-Identifier: GPL-2.0-or-later
"""No file tells of the machine it was written on, or of where packages are fetched from."""

import re
from pathlib import Path

import pytest

# Spelled without their slashes, or this file would be the first to be found.
MACHINES = ["work", "root"]
HOME_OF_A_PERSON = re.compile(r"/home/(?!user\b|NAME\b|me\b)\w+")
REGISTRY = re.compile(
    r"//[a-z0-9.-]*(debian|pypi|pythonhosted|npmjs)\.|\bindex[-_]url", re.IGNORECASE
)

# Recordings, real or made up for a test, hold what programs named: such paths are data.
DATA = ("examples/", "tests/")


@pytest.fixture(scope="module")
def texts(root: Path, files: list[str]) -> dict[str, str]:
    """The text of each file that is text."""
    found = {}
    for name in files:
        content = (root / name).read_bytes()
        if b"\0" not in content:
            found[name] = content.decode("utf-8", "replace")
    return found


def hits(texts: dict[str, str], pattern: re.Pattern[str]) -> list[str]:
    """`file:line: text` for each line in which the pattern is found."""
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def below(folder: str) -> re.Pattern[str]:
    """A path below a folder of the root, not one that merely has such a folder in it."""
    return re.compile(rf"(?<![\w.*~)/-])/{folder}/")


@pytest.mark.parametrize("folder", MACHINES)
def test_no_machine_path(texts: dict[str, str], folder: str) -> None:
    assert hits(texts, below(folder)) == []


def test_no_scratch_path_outside_data(texts: dict[str, str]) -> None:
    prose = {name: text for name, text in texts.items() if not name.startswith(DATA)}
    assert hits(prose, below("tmp")) == []


def test_no_home_of_a_person(texts: dict[str, str]) -> None:
    assert hits(texts, HOME_OF_A_PERSON) == []


def test_no_registry_address(texts: dict[str, str]) -> None:
    others = {name: text for name, text in texts.items() if not name.endswith(Path(__file__).name)}
    assert hits(others, REGISTRY) == []
