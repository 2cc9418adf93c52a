# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a mapping would land, for programs."""

from typing import TypedDict

from vmalab.explain.why.landing import Landing


class PlaceAnswer(TypedDict):
    """Where mmap would put a mapping. kernel: the version of the model. landing: the address, and
    why there. vmas: how many there are before and after it. refused: what refuses an anonymous
    mapping that is readable and writable, beside the search for a place; "" for nothing.
    """

    subject: str
    kernel: str
    landing: Landing
    vmas: tuple[int, int]
    refused: str


def place_answer(
    subject: str, kernel: str, landing: Landing, vmas: tuple[int, int], refused: str
) -> PlaceAnswer:
    """Return the findings."""
    return {
        "subject": subject,
        "kernel": kernel,
        "landing": landing,
        "vmas": vmas,
        "refused": refused,
    }
