# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual's table of version differences is what the engine's table says."""

import re
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


def test_each_property_is_asked_for(root: Path) -> None:
    sources = (root / "src" / "vmalab").rglob("*.py")
    users = [path.read_text("utf-8") for path in sources if path.name != "features.py"]
    asked = {name for text in users for name in re.findall(r"features\.(\w+)", text)}
    assert {feature.name for feature in FEATURES} - asked == set()
