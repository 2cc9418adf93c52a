# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual's table of version differences is what the engine's table says."""

import runpy
from pathlib import Path

import pytest

from vmalab.linux.include.features import FEATURES, VERSIONS, Feature, Features


def test_manual_has_the_engines_table(root: Path) -> None:
    made = runpy.run_path(str(root / "tools" / "versions_table.py"))["table"]()
    assert (root / "docs" / "versions.md").read_text("utf-8") == made


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_each_property_tells_versions_apart(feature: Feature) -> None:
    held = {feature.holds_in(version) for version in VERSIONS}
    assert held == {True, False}


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_each_property_is_an_attribute_of_a_profile(feature: Feature) -> None:
    for version in VERSIONS:
        assert getattr(Features(version), feature.name) is feature.holds_in(version)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_the_property_is_asked_for(root: Path, feature: Feature) -> None:
    package = root / "src" / "vmalab"
    users = [path for path in package.rglob("*.py") if path.name != "features.py"]
    assert any(f"features.{feature.name}" in path.read_text("utf-8") for path in users)
