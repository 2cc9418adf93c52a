# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab diff-kernels`: where kernel versions part on one recording, and which feature is why."""

from collections.abc import Iterator

import click

from vmalab.cli.in_json import answers_in_json
from vmalab.linux.include.differences.table import FEATURES
from vmalab.replay import across_kernels as replays
from vmalab.replay.across_kernels import AS_RECORDED, KernelPartings, Parting
from vmalab.targets.model.versions import SUPPORTED
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.diff_kernels import parting_answer
from vmalab.views.output import complain, say
from vmalab.views.progress import Progress

_FEATURES = {feature.name: feature for feature in FEATURES}


@click.command("diff-kernels")
@click.argument("path", metavar="PATH", type=click.Path())
@click.option(
    "--kernels",
    metavar="X.Y,...",
    default=",".join(SUPPORTED),
    show_default=True,
    help="The versions to compare.",
)
@answers_in_json("diff-kernels", "One JSON object a parting, on one line.")
@click.pass_context
def diff_kernels(ctx: click.Context, path: str, kernels: str, as_json: bool) -> None:
    """Replay a recording as several kernel versions and show where they part.

    Exit status: 0 when all versions do the same, 1 when they part, 2 when the input cannot be used.
    """
    versions = [name.strip() for name in kernels.split(",") if name.strip()]
    with Progress() as progress:
        progress.begin(path)
        found = replays.diff_kernels(path, versions, lambda what: progress.advance(0, what))
    for parting in found.found:
        if as_json:
            say(answer_json("diff-kernels", parting_answer(parting)))
        else:
            for line in _lines(parting):
                say(line)
    if as_json and found.end:
        complain(f"{path}: nothing is compared behind line {found.end}: too much differs")
    if not as_json:
        say(f"{path}: {_total(found, versions)}")
        for name in sorted({name for parting in found.found for name in _reasons(parting)}):
            feature = _FEATURES[name]
            say(f"  {name}: {feature.what}")
            if feature.origin():
                say(f"    Linux commit {feature.origin()}")
    ctx.exit(1 if found.found else 0)


def _lines(parting: Parting) -> Iterator[str]:
    """Yield one parting: versions that do the same stand together."""
    where = f"line {parting.line}, " if parting.line else ""
    yield f"{where}image {parting.image}: {parting.call}"
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for version, answer in parting.answers.items():
        reasons = tuple(parting.reasons.get(version, []))
        groups.setdefault((answer, reasons), []).append(version)
    for (answer, reasons), versions in groups.items():
        shown = parting.recorded if answer == AS_RECORDED else answer
        why = f"  ({', '.join(reasons)}{' together' * (len(reasons) > 1)})" if reasons else ""
        if answer != AS_RECORDED and not reasons:
            why = "  (several features together)"
        yield f"    {', '.join(versions)}: {shown}{why}"


def _reasons(parting: Parting) -> Iterator[str]:
    for names in parting.reasons.values():
        yield from names


def _total(found: KernelPartings, versions: list[str]) -> str:
    names = ", ".join(versions)
    behind = f" up to line {found.end}, behind which too much differs" if found.end else ""
    if not found.found:
        return f"{names} do the same{behind}"
    places = len(found.found)
    return f"{names} part at {places} place{'s' if places > 1 else ''}{behind}"
