# SPDX-License-Identifier: GPL-2.0-or-later
"""What the documents point at is there: files, headings, modules and their names."""

import importlib
import re
from pathlib import Path

import pytest

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
DOTTED = re.compile(r"`(vmalab(?:\.\w+)+)(?:\(\))?`")
PATH = re.compile(r"`((?:docs|examples|src|tests|tools|benchmarks|\.ci)/[\w./-]*)`")


def anchors(text: str) -> set[str]:
    """The anchors that a page's headings have on the web: lower case, spaces to hyphens."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """Links of the page to files or headings that do not exist; the web is left alone."""
    broken = []
    for target in LINK.findall(FENCE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        goal = page.parent / name if name else page
        if not goal.exists():
            broken.append(target)
        elif anchor and anchor not in anchors(goal.read_text("utf-8")):
            broken.append(target)
    return broken


def resolves(dotted: str) -> bool:
    """Whether a dotted name is a module, or an attribute found from one."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        missing = object()
        for part in parts[cut:]:
            found = getattr(found, part, missing)
        return found is not missing
    return False


def test_links_lead_somewhere(root: Path, document: Path) -> None:
    assert broken_links(root / document) == []


def test_named_files_exist(root: Path, document: Path) -> None:
    named = PATH.findall((root / document).read_text("utf-8"))
    assert [name for name in named if not (root / name).exists()] == []


def test_dotted_names_in_documents_resolve(root: Path, document: Path) -> None:
    names = set(DOTTED.findall((root / document).read_text("utf-8")))
    assert {name for name in names if not resolves(name)} == set()


def test_dotted_names_in_sources_resolve(root: Path, source_file: Path) -> None:
    names = set(DOTTED.findall((root / source_file).read_text("utf-8")))
    assert {name for name in names if not resolves(name)} == set()


def test_nothing_waits_to_be_filled_in(root: Path, document: Path) -> None:
    assert "<!-- PLACEHOLDER" not in (root / document).read_text("utf-8")


def test_manual_is_reachable_from_its_first_page(root: Path, documents: list[str]) -> None:
    pages = {name for name in documents if name.startswith("docs/")}
    reached: set[str] = set()
    waiting = ["docs/index.md"]
    while waiting:
        name = waiting.pop()
        reached.add(name)
        links = LINK.findall((root / name).read_text("utf-8"))
        linked = {f"docs/{target.partition('#')[0]}" for target in links}
        waiting += sorted(linked & pages - reached)
    assert reached == pages


def test_readme_opens_with_the_two_commands(root: Path) -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```", (root / "README.md").read_text("utf-8"), re.M | re.S)
    assert "make demo" in blocks[0]
    assert "make test" in blocks[0]


@pytest.mark.parametrize("name", ["vmalab", "vmalab.__version__", "vmalab.linux.mm"])
def test_a_name_that_is_there_resolves(name: str) -> None:
    assert resolves(name)


@pytest.mark.parametrize("name", ["vmalab.no_such_thing", "vmalab.linux.mm.nothing.at_all"])
def test_a_name_that_is_not_there_does_not(name: str) -> None:
    assert not resolves(name)
