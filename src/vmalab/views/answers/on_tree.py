# SPDX-License-Identifier: GPL-2.0-or-later
"""What came of recorded programs on kernel trees, for programs."""

from collections.abc import Sequence
from typing import TypedDict

from vmalab.explain.on_tree.findings import ImageOnTree, OnTree, OtherAnswer


class VmasAnswer(TypedDict):
    """How many VMAs an image has. vmas_peak: at most. vmas_end: at its end."""

    vmas_peak: int
    vmas_end: int


class ImageOnTreeAnswer(TypedDict):
    """One image. calls: that the tree's code made. recorded, tree: its VMAs.

    calls_after_which_vmas_differ: of those calls.
    """

    image: str
    calls: int
    calls_after_which_vmas_differ: int
    recorded: VmasAnswer
    tree: VmasAnswer


class OnTreeAnswer(TypedDict):
    """One recording on one tree. tree: its path. release: its version.

    memory_calls: of the recording. made: by the tree's code. left_out: the others, by reason.
    taken_over: calls whose effect was laid out as the replay had adopted it, by reason.
    answers_differ: calls that were answered otherwise. answers: the first of them.
    maps_compared, maps_differ: maps. died: how the tree's code did not survive.
    """

    recording: str
    tree: str
    release: str
    memory_calls: int
    made: int
    left_out: dict[str, int]
    taken_over: dict[str, int]
    answers_differ: int
    answers: list[OtherAnswer]
    maps_compared: int
    maps_differ: int
    died: list[str]
    images: list[ImageOnTreeAnswer]


class WhatIfOnTreeAnswer(TypedDict):
    """A recording on a tree. trees: the tree, then its base if one was named."""

    trees: list[OnTreeAnswer]


def on_tree_answer(path: str, found: OnTree) -> OnTreeAnswer:
    """Return what came of a recording on a tree."""
    return {
        "recording": path,
        "tree": found.tree,
        "release": found.release,
        "memory_calls": found.calls,
        "made": found.made,
        "left_out": dict(found.left),
        "taken_over": dict(found.given),
        "answers_differ": found.answers_differ,
        "answers": found.answers,
        "maps_compared": found.maps,
        "maps_differ": found.maps_differ,
        "died": found.died,
        "images": [image_answer(one) for one in found.images],
    }


def what_if_on_tree_answer(path: str, found: Sequence[OnTree]) -> WhatIfOnTreeAnswer:
    """Return what came of a recording on a tree and its base."""
    return {"trees": [on_tree_answer(path, one) for one in found]}


def image_answer(image: ImageOnTree) -> ImageOnTreeAnswer:
    """Return one image."""
    return {
        "image": image.name,
        "calls": image.calls,
        "calls_after_which_vmas_differ": image.differing,
        "recorded": {"vmas_peak": image.recorded_peak, "vmas_end": image.recorded_end},
        "tree": {"vmas_peak": image.tree_peak, "vmas_end": image.tree_end},
    }
