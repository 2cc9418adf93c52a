# SPDX-License-Identifier: GPL-2.0-or-later
"""Laws of address spaces, each a function that answers "" or what is wrong.

They hold for any rule of merging that is a rule: what a law says of one layout it says of all.
"""

from vmalab.testing.cases.audit import audit, audit_end
from vmalab.testing.cases.layout import Layout
from vmalab.testing.cases.operations import OPERATIONS, WrongCall
from vmalab.testing.cases.signatures import parse_call
from vmalab.testing.cases.workbench import Bench, Region
from vmalab.testing.seams.checking import CheckingInternal
from vmalab.testing.walks.walk import fits


def made(bench: Bench, text: str) -> str:
    """Make a call: its answer, "" when it does not fit the layout."""
    bench.begin_call()
    call = parse_call(text)
    if not fits(bench, call):
        return ""
    try:
        return OPERATIONS[call.name](bench, call)
    except WrongCall:
        return ""


def outcome(
    layout: Layout, calls: list[str], seam: type[CheckingInternal]
) -> tuple[list[str], list[Region], list[str]]:
    """Answer, layout and complaints after calls."""
    bench = layout.build(seam)
    answers = [made(bench, text) for text in calls]
    return answers, bench.regions(), audit(bench)


def disjoint_calls_commute(
    layout: Layout, first: str, second: str, seam: type[CheckingInternal] = CheckingInternal
) -> str:
    """Calls on ranges that do not touch have the same effect in either order."""
    one, other = outcome(layout, [first, second], seam), outcome(layout, [second, first], seam)
    if one[0] != other[0][::-1]:
        return f"{first} and {second} answer {one[0]}, the other way round {other[0][::-1]}"
    if one[1] != other[1]:
        return f"{first} and {second} leave another layout than the other way round"
    return "; ".join(one[2] + other[2])


def splitting_then_merging_is_the_identity(
    layout: Layout, page: int, seam: type[CheckingInternal] = CheckingInternal
) -> str:
    """A VMA that is cut, and whose part gets another name and its own again, is as before."""
    bench = layout.build(seam)
    before = bench.regions()
    region = next((one for one in before if one.start < page < one.end), None)
    if region is None or region.kind.ops or region.kind.file:
        return ""
    letter = next(one for one, kind in layout.legend.items() if same(kind, region, bench, one))
    part = f"{page:x}-{region.end:x}"
    other = "N" if region.kind.name == "" else "A"
    for text in (f"vma_modify_name {part} {other}", f"vma_modify_name {part} {letter}"):
        answer = made(bench, text)
        if answer.startswith("-E"):
            return f"{text} answers {answer}"
    after = [one for one in bench.regions() if one.start <= region.start < one.end]
    whole = [one for one in after if one.end >= region.end]
    return "" if whole else f"a VMA cut at {page:x} is not whole again: {after}"


def same(kind: object, region: Region, bench: Bench, letter: str) -> bool:
    """Return whether a letter's name is that of a region: names are all that the law changes."""
    return bench.kind(letter).name == region.kind.name and kind is not None


def an_unmapped_layout_leaves_nothing(
    layout: Layout, calls: list[str], seam: type[CheckingInternal] = CheckingInternal
) -> str:
    """Whatever was called, everything can be unmapped and nothing is left."""
    bench = layout.build(seam)
    for text in calls:
        made(bench, text)
        found = audit(bench)
        if found:
            return f"after {text}: {found[0]}"
    bench.tear_down()
    return "; ".join(audit_end(bench))
