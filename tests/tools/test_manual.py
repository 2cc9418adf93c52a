# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual's site: built without a warning, every link leads somewhere, nothing is fetched."""

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
import yaml

from vmalab.cli.verbs import VERBS
from vmalab.views.answers.answer import ANSWERS

ROOT = Path(__file__).parents[2]


def pages_of(nav: object) -> list[str]:
    """Every page in a navigation."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    assert isinstance(parts, list | type({}.values()))
    return [page for part in parts for page in pages_of(part)]


def test_the_navigation_names_pages_that_there_are() -> None:
    named = pages_of(yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"])
    docs = ROOT / "docs"
    there = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    there |= {
        path.relative_to(docs).with_suffix(".md").as_posix() for path in docs.rglob("*.ipynb")
    }
    there |= {"reference/commands.md", "reference/api.md", "reference/json.md"}
    assert {page for page in named if not page.startswith("source/")} <= there


def test_every_folder_of_pages_has_a_section() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    sections = {name for part in config["nav"] if isinstance(part, dict) for name in part}
    folders = {path.parent for path in (ROOT / "docs").rglob("*.md")} - {ROOT / "docs"}
    names = {path.relative_to(ROOT / "docs").parts[0] for path in folders}
    assert names == {"tutorial", "howto", "reference", "explanation"}
    assert {"Tutorial", "How-to guides", "Reference", "Explanation"} <= sections


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it."""
    pytest.importorskip("mkdocs", reason="mkdocs-material is not installed (extra docs)")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-d", str(folder)]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


@pytest.mark.slow
def test_every_link_leads_somewhere(site: Path) -> None:
    texts = {path: path.read_text("utf-8") for path in site.rglob("*.html")}
    anchors = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in texts.items()}
    lost = []
    # The page of an error is shown at any depth: its links begin at the top of a server.
    for path in texts.keys() - {site / "404.html"}:
        for link in re.findall(r'\b(?:href|src)="([^"]+)"', texts[path]):
            if re.match(r"[a-z]+:|//", link):
                continue
            name, _, anchor = unescape(link).partition("#")
            target = (path.parent / name).resolve() if name else path
            if not target.exists() or (anchor and anchor not in anchors.get(target, {anchor})):
                lost.append(f"{path.relative_to(site)}: {link}")
    assert len(texts) > 40
    assert lost == []


@pytest.mark.slow
def test_a_page_fetches_nothing_from_elsewhere(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text("utf-8")
        assert re.findall(r'<(?:script|img|iframe)[^>]* src="(?:https?:|//)', text) == []
        assert re.findall(r'<link[^>]* rel="stylesheet"[^>]* href="(?:https?:|//)', text) == []


@pytest.mark.slow
def test_pages_are_made_of_what_the_program_says(site: Path) -> None:
    commands = (site / "reference/commands.html").read_text("utf-8")
    assert [verb for verb in VERBS if f'id="vmalab-{verb}"' not in commands] == []
    answers = (site / "reference/json.html").read_text("utf-8")
    assert [verb for verb in ANSWERS if f'id="{verb}"' not in answers] == []
    library = (site / "reference/api.html").read_text("utf-8")
    assert 'id="addressspacemmap"' in library


@pytest.mark.slow
def test_search_finds_words_of_every_page(site: Path) -> None:
    index = (site / "search/search_index.json").read_text("utf-8")
    assert '"reference/commands.html"' in index
    assert '"tutorial/first-recording.html"' in index
