# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernel images are found by path, by series and by point release."""

import struct
from pathlib import Path

import pytest

from vmalab.targets.real.images import find_image, image_version
from vmalab.targets.real.target_errors import TargetError

DEBIAN = "6.1.0-56-cloud-amd64 (debian-kernel@example.org) #1 SMP Debian 6.1.192-2 (2026-11-16)"
UPSTREAM = "6.18.15+deb13-cloud-amd64 (someone) #1 SMP Debian 6.18.15-1~bpo13+1 (2026-03-12)"


def bzimage(version: str) -> bytes:
    head = bytes(0x202) + b"HdrS" + bytes(8) + struct.pack("<H", 0x40)
    return head.ljust(0x240, b"\0") + version.encode() + b"\0more"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with two kernels."""
    monkeypatch.setenv("VMALAB_CACHE", str(tmp_path))
    for series, version in (("6.1", DEBIAN), ("6.18", UPSTREAM)):
        folder = tmp_path / "kernels" / series
        folder.mkdir(parents=True)
        (folder / "vmlinuz").write_bytes(bzimage(version))
    return tmp_path / "kernels"


@pytest.mark.parametrize(
    ("name", "series"),
    [("6.1", "6.1"), ("6.1.192", "6.1"), ("6.18", "6.18"), ("6.18.15", "6.18")],
)
def test_the_image_of_a_series_is_that_of_its_point_release(
    cache: Path, name: str, series: str
) -> None:
    assert find_image(name) == str(cache / series / "vmlinuz")


def test_a_point_release_may_have_an_image_of_its_own(cache: Path) -> None:
    (cache / "6.18.44").mkdir()
    (cache / "6.18.44" / "vmlinuz").write_bytes(b"")
    assert find_image("6.18.44") == str(cache / "6.18.44" / "vmlinuz")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "6.18.44",
            r"6\.18\.44: no image of this point release; that of qemu:6\.18 is 6\.18\.15\.",
        ),
        ("6.1.19", r"that of qemu:6\.1 is 6\.1\.192\."),
        ("6.1.0", r"that of qemu:6\.1 is 6\.1\.192\."),
        ("9.9", r"9\.9: no such kernel image; `make kernels`"),
        ("9.9.1", r"9\.9\.1: no such kernel image; `make kernels`"),
        ("/nowhere/vmlinuz", "/nowhere/vmlinuz: no such kernel image$"),
    ],
)
@pytest.mark.usefixtures("cache")
def test_no_other_image_is_taken_instead(name: str, said: str) -> None:
    with pytest.raises(TargetError, match=said):
        find_image(name)


@pytest.mark.parametrize("content", [b"", bytes(0x300), bzimage("")], ids=["none", "other", "mute"])
def test_an_image_that_does_not_say_what_it_is_has_no_version(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "vmlinuz"
    path.write_bytes(content)
    assert image_version(path) == ""
