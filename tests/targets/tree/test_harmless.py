# SPDX-License-Identifier: GPL-2.0-or-later
"""Called stubs are suspects unless a reason says why 0 is right."""

from vmalab.targets.tree.harmless import HARMLESS, suspects


def test_known_stubs_have_reasons_and_are_no_suspects() -> None:
    assert "pages" in HARMLESS["unmap_vmas"]
    assert suspects({"unmap_vmas": 7, "_printk": 1}) == {}


def test_a_stub_that_nobody_has_judged_is_a_suspect() -> None:
    assert suspects({"cap_task_prctl": 2, "unmap_vmas": 1}) == {"cap_task_prctl": 2}
