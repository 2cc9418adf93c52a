# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a mapping would land, for programs."""

from typing import TypedDict

from vmalab.explain.why.landing import Landing


class PlaceAnswer(TypedDict):
    """Where mmap would put a mapping. kernel: the version of the model. landing: the address, and
    why there. vmas: how many there are before and after it.
    """

    subject: str
    kernel: str
    landing: Landing
    vmas: tuple[int, int]


def place_answer(subject: str, kernel: str, landing: Landing, vmas: tuple[int, int]) -> PlaceAnswer:
    """Return the findings."""
    return {"subject": subject, "kernel": kernel, "landing": landing, "vmas": vmas}
