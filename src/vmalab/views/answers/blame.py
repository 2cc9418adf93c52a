# SPDX-License-Identifier: GPL-2.0-or-later
"""Who made which VMA, for programs."""

from typing import TypedDict

from vmalab.views.answers.stacks import (
    BlamedVmaAnswer,
    LifeEventAnswer,
    ShareAnswer,
    StackAnswer,
    StackTable,
)
from vmalab.views.blame import BlameFindings


class BlameAnswer(TypedDict):
    """One image at one moment. subject: the recording. at: "end", "peak" or "line N".

    others: how many VMAs the other images have at their own end or peak, by name. line: the last
    line of the log before the moment. vmas: lowest first. shares: by site, function, file, mapping,
    library, thread and call, the largest first. life: of the VMA that was asked for, oldest event
    first. stacks: of calls, each once.
    """

    subject: str
    at: str
    kernel: str
    notes: list[str]
    others: dict[str, int]
    image: str
    line: int
    vmas: list[BlamedVmaAnswer]
    shares: dict[str, list[ShareAnswer]]
    life: list[LifeEventAnswer]
    stacks: list[StackAnswer]


def blame_answer(found: BlameFindings) -> BlameAnswer:
    """Return the answer."""
    table, report = StackTable(), found.report
    return {
        "subject": found.subject,
        "at": found.at,
        "kernel": found.kernel,
        "notes": list(found.notes),
        "others": dict(found.others),
        "image": report.image,
        "line": report.line,
        "vmas": [table.vma(vma) for vma in report.vmas],
        "shares": {
            by: [table.share(share) for share in shares] for by, shares in report.shares.items()
        },
        "life": [table.event(event) for event in report.life],
        "stacks": table.stacks(),
    }
