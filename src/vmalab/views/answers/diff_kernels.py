# SPDX-License-Identifier: GPL-2.0-or-later
"""Where kernel versions part on a recording, for programs: one object a parting."""

from typing import TypedDict

from vmalab.replay.across_kernels import Parting


class PartingAnswer(TypedDict):
    """One call, or one map, at which not all versions do the same.

    line: of the log, 0 for a map at the end. answers: by version what it does, or "as recorded".
    reasons: by version the properties that make it do otherwise together; none: not found.
    """

    line: int
    image: str
    call: str
    recorded: str
    answers: dict[str, str]
    reasons: dict[str, list[str]]


def parting_answer(parting: Parting) -> PartingAnswer:
    """Return one parting."""
    return {
        "line": parting.line,
        "image": parting.image,
        "call": parting.call,
        "recorded": parting.recorded,
        "answers": parting.answers,
        "reasons": parting.reasons,
    }
