# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between kernel versions has one source, from which class and manual are made."""

import re
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vmalab.linux.include.differences.table import AREAS, FEATURES
from vmalab.linux.include.feature import ALWAYS, NEVER, VERSIONS, Commit, Feature
from vmalab.linux.include.features import Features

COMMITS = [
    pytest.param(commit, edge, id=f"{feature.name}-{commit.digits}")
    for feature in FEATURES
    for commit, edge in ((feature.brought, feature.since), (feature.ended, feature.until))
    if commit is not None
]


@pytest.fixture(scope="module")
def tool(root: Path) -> dict[str, Any]:
    return runpy.run_path(str(root / "tools" / "features.py"))


def test_the_class_is_made_from_the_table(root: Path, tool: dict[str, Any]) -> None:
    assert (root / tool["CLASS"]).read_text("utf-8") == tool["engine_class"](), "make features"


def test_the_manual_is_made_from_the_table(root: Path, tool: dict[str, Any]) -> None:
    assert (root / tool["MANUAL"]).read_text("utf-8") == tool["manual"](), "make features"


def test_the_manual_has_a_row_of_four_cells_for_each_property(tool: dict[str, Any]) -> None:
    rows = re.findall(r"^\| `(\w+)` .*", tool["manual"](), re.MULTILINE)
    assert rows == [feature.name for feature in FEATURES]
    lines = [line for line in tool["manual"]().splitlines() if line.startswith("| `")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {5}


def test_the_table_has_the_properties_of_all_areas_once() -> None:
    assert tuple(feature for area in AREAS for feature in area.features) == FEATURES
    assert max(Counter(feature.name for feature in FEATURES).values()) == 1


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_each_property_tells_versions_apart(feature: Feature) -> None:
    held = {feature.holds_in(version) for version in VERSIONS}
    assert held == {True, False}


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_each_property_is_an_attribute_of_a_profile(feature: Feature) -> None:
    for version in VERSIONS:
        assert getattr(Features(version), feature.name) is feature.holds_in(version)
        for _, _, first in feature.backported:
            for patch in (first - 1, first):
                held = getattr(Features(version, patch), feature.name)
                assert held is feature.holds_in(version, patch)


@pytest.mark.parametrize(
    ("version", "patch", "held"),
    [
        ((6, 12), 116, True),
        ((6, 12), 117, False),
        ((6, 17), 200, True),
        ((6, 19), 0, False),
        ((6, 1), 400, False),
        ((5, 15), 200, True),
    ],
)
def test_a_backport_moves_a_series_to_the_other_side_of_a_change(
    version: tuple[int, int], patch: int, held: bool
) -> None:
    """6.12 and 5.15 were brought its end and its beginning."""
    backported = ((6, 12, 117), (5, 15, 200))
    feature = Feature("name", "What.", since=(6, 12), until=(6, 19), backported=backported)
    assert feature.holds_in(version, patch) is held


@pytest.mark.parametrize(
    ("version", "held"),
    [((6, 6), False), ((6, 7), True), ((6, 12), True), ((6, 14), True), ((6, 15), False)],
)
def test_between_measured_versions_the_release_of_a_commit_decides(
    version: tuple[int, int], held: bool
) -> None:
    feature = Feature(
        "name",
        "What.",
        since=(6, 12),
        until=(6, 18),
        brought=Commit("0123456789ab", "mm: a", "v6.7"),
        ended=Commit("ba9876543210", "mm: b", "v6.15"),
    )
    assert feature.holds_in(version) is held


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_commit_decides_nothing_where_it_was_measured(feature: Feature) -> None:
    for version in VERSIONS:
        measured = feature.since <= version < feature.until
        turned = any(version == release[:2] for release in feature.backported)
        assert feature.holds_in(version) is (measured != turned)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_property_can_be_switched_in_a_profile(feature: Feature) -> None:
    features = Features()
    held = getattr(features, feature.name)
    setattr(features, feature.name, not held)
    assert getattr(features, feature.name) is not held


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_the_property_is_asked_for(root: Path, feature: Feature) -> None:
    package = root / "src" / "vmalab"
    users = [path for path in package.rglob("*.py") if path.name != "features.py"]
    asked = re.compile(rf"features\.{feature.name}\b")
    assert any(asked.search(path.read_text("utf-8")) for path in users)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_a_property_is_named_and_described(feature: Feature) -> None:
    assert re.fullmatch(r"[a-z]\w*", feature.name)
    assert feature.what.endswith(".")


@pytest.mark.parametrize(("commit", "edge"), COMMITS)
def test_a_commit_fits_the_versions_measured(commit: Commit, edge: tuple[int, int]) -> None:
    """A release with the commit comes after the last version that shows nothing of it."""
    assert re.fullmatch(r"[0-9a-f]{12}", commit.digits)
    assert commit.subject
    assert edge not in (ALWAYS, NEVER)
    if commit.release:
        found = re.fullmatch(r"v(\d+)\.(\d+)", commit.release)
        assert found is not None
        assert (int(found[1]), int(found[2])) > VERSIONS[VERSIONS.index(edge) - 1]


@pytest.mark.parametrize(
    ("brought", "ended", "origin"),
    [
        (None, None, ""),
        (Commit("0123456789ab", "mm: a", "v6.2"), None, '0123456789ab ("mm: a") in v6.2'),
        (None, Commit("0123456789ab", "mm: a"), 'ended by 0123456789ab ("mm: a")'),
        (
            Commit("0123456789ab", "mm: a", "v6.2"),
            Commit("ba9876543210", "mm: b"),
            '0123456789ab ("mm: a") in v6.2; ended by ba9876543210 ("mm: b")',
        ),
    ],
    ids=["unknown", "brought", "ended", "both"],
)
def test_an_origin_cites_what_is_known(
    brought: Commit | None, ended: Commit | None, origin: str
) -> None:
    feature = Feature("name", "What.", since=(6, 12), brought=brought, ended=ended)
    assert feature.origin() == origin
