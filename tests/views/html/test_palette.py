# SPDX-License-Identifier: GPL-2.0-or-later
"""The map's colours differ for everybody: also as people see them who lack one kind of cone."""

import itertools
import re
from importlib.resources import files

import pytest

# Machado, Oliveira and Fernandes (2009), severity 1: what is left of linear red, green and blue.
SIGHTS = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
    "usual": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
}
# The permissions that a reader must tell apart. Distances are of CIE L*a*b*; 2.3 is just seen.
NAMES = ("none", "read", "write", "code", "shared", "heap", "stack")
LEAST = 11.0


def colours(scheme: str) -> dict[str, str]:
    """The map's colours of a scheme by name; dark ones are the light ones but for some."""
    text = files("vmalab.views.html").joinpath("page.css").read_text("utf-8")
    light, _, dark = text.partition("@media (prefers-color-scheme: dark)")
    found = dict(re.findall(r"--map-(\w+): (#\w{6})", light))
    return found | dict(re.findall(r"--map-(\w+): (#\w{6})", dark)) if scheme == "dark" else found


def linear(colour: str) -> list[float]:
    values = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]


def lab(colour: str, sight: str) -> tuple[float, float, float]:
    red, green, blue = (
        min(max(sum(part * value for part, value in zip(row, linear(colour), strict=True)), 0), 1)
        for row in SIGHTS[sight]
    )
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_permissions_can_be_told_apart(scheme: str, sight: str) -> None:
    known = colours(scheme)
    close = {}
    for one, other in itertools.combinations(NAMES, 2):
        first, second = lab(known[one], sight), lab(known[other], sight)
        distance = sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5
        if distance < LEAST:
            close[one, other] = round(distance, 1)
    assert close == {}
