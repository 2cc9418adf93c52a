# SPDX-License-Identifier: GPL-2.0-or-later
"""What a page says first: the symptom, the culprit, and the cure with its measured effect."""

from collections.abc import Iterable
from typing import Final

from vmalab.explain.blame.culprits import SITE, BlameReport, Share
from vmalab.explain.whatif.cures import MAX_CALLS, Cure
from vmalab.views.html.document import CULPRIT, CURE, Statement
from vmalab.views.html.replay import size

# Cures beside the best one that are told of.
_MORE: Final = 2
NOT_TRIED: Final = (
    f"No change was tried: the recording has more than {MAX_CALLS:,} memory calls. "
    "vmalab whatif tries one."
)
NONE_FOUND: Final = "None of the changes that were tried makes at least a tenth of the VMAs fewer."


def culprit_of(report: BlameReport, number: int = 0) -> Statement:
    """Return what made most VMAs. number: of its first call in the page's book."""
    shares = report.shares[SITE]
    if not shares:
        return Statement(CULPRIT, "Nothing is mapped.")
    most, whole = shares[0], len(report.vmas)
    text = f"{most.vmas:,} of {whole:,} VMAs were made by {most.cause}"
    return Statement(CULPRIT, text, tuple(_way(most)), number)


def largest_of(report: BlameReport, number: int, what: str) -> Statement:
    """Return what made the mappings of the most bytes. what: "mapped", as a reader knows it."""
    shares = sorted(report.shares[SITE], key=lambda share: -share.size)
    if not shares:
        return Statement(CULPRIT, "Nothing is mapped.")
    most = shares[0]
    whole = sum(share.size for share in shares)
    text = f"{size(most.size)} of {size(whole)} {what} are of {most.cause}"
    return Statement(CULPRIT, text, tuple(_way(most)), number)


def _way(share: Share) -> Iterable[str]:
    """Yield when its calls were, and how the program came there."""
    if share.first:
        many = f"lines {share.first:,} to {share.last:,}"
        yield f"line {share.first:,}" if share.first == share.last else many
    way = share.example.stack.way(share.example.name)
    if way:
        yield f"by way of {', '.join(way[:4])}"


def cure_of(cures: list[Cure], calls: int, more: tuple[str, ...] = ()) -> Statement:
    """Return what would help. calls: of the recording. more: what else would."""
    if not cures:
        why = NOT_TRIED if calls > MAX_CALLS else NONE_FOUND
        return Statement(CURE, more[0] if more else why, (*more[1:], *((why,) if more else ())))
    best, *others = cures
    details = [_measured(best)]
    details += [f"Or: {cure.advice}: {_effect(cure)}" for cure in others[:_MORE]]
    return Statement(CURE, f"{best.advice}: {_effect(best)}", (*details, *more))


def _effect(cure: Cure) -> str:
    """Return its effect, at the peak or at the end, wherever it is larger."""
    if cure.end - cure.other_end > cure.peak - cure.other_peak:
        return f"{cure.other_end:,} VMAs at the end instead of {cure.end:,}"
    return f"{cure.other_peak:,} VMAs at most instead of {cure.peak:,}"


def _measured(cure: Cure) -> str:
    if not cure.options:
        return "Counted by the conditions for merging (vmalab why)."
    return f"Measured: vmalab whatif {cure.options}"
