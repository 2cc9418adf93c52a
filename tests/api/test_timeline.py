# SPDX-License-Identifier: GPL-2.0-or-later
"""How an image's map grew: samples, and pictures that hold nothing of a name but its text."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from vmalab import AddressSpace, Maps, Recording
from vmalab.calls.errors import ReadError
from vmalab.calls.snapshot import VmaLine
from vmalab.views.html.notebook import curve_svg, map_svg


def test_a_timeline_has_the_peak_and_the_end(examples: Path) -> None:
    recording = Recording.open(str(examples / "python-rlimit-as"))
    timeline = recording.timeline()
    assert repr(timeline) == (
        "<Timeline of 22543.1: 609 memory calls, 104 VMAs at the peak, 103 at the end>"
    )
    assert timeline.peak.vmas == 104
    assert [sample.index for sample in timeline] == sorted(sample.index for sample in timeline)
    assert len(timeline[:3]) == 3
    with pytest.raises(ReadError):
        recording.timeline(image="1.1")


def boxes(svg: str) -> list[ET.Element]:
    """The boxes of a drawing, which is good XML."""
    return [part for part in ET.fromstring(svg).iter() if part.tag.endswith("rect")]


def test_a_drawing_has_a_box_for_each_vma_by_its_protection() -> None:
    space = AddressSpace(kernel="6.18")
    start = space.mmap(0x10000000, 0x4000)
    space.mprotect(start + 0x1000, 0x1000, "none")
    space.munmap(start + 0x2000, 0x1000)
    drawn = boxes(map_svg(space.vmas))
    assert len(drawn) == 3
    assert drawn[0].get("fill") == drawn[2].get("fill") != drawn[1].get("fill")
    lefts = [float(box.get("x", "")) for box in drawn]
    widths = [float(box.get("width", "")) for box in drawn]
    assert lefts[1] - lefts[0] - widths[0] < 2 < lefts[2] - lefts[1] - widths[1]
    assert space._repr_html_().startswith("<svg")


def test_a_hostile_name_is_text() -> None:
    line = VmaLine(0x1000, 0x2000, "rw-p", 0, "00:00", 0, "/</title><script>\x1b&\udcff")
    [box] = boxes(map_svg([line]))
    assert "".join(box.itertext()).endswith("/</title><script>\\x1b&\\xff")
    assert "<script" not in Maps([line])._repr_html_()
    assert "<script" not in curve_svg([(0, 1)], "<script>")


def test_what_is_empty_or_too_large_is_not_drawn() -> None:
    assert map_svg([]) == curve_svg([], "1.0") == ""
    many = [VmaLine(n << 13, (n << 13) + 4096, "rw-p", 0, "00:00", 0, "") for n in range(500)]
    assert map_svg(many) == ""
    assert "<polyline" in curve_svg([(0, 0)], "1.0")
