# SPDX-License-Identifier: GPL-2.0-or-later
"""The page of `vmalab fleet report --html`: who nears which limit, what makes VMAs, what would."""

from vmalab.fleet.sums import STEPS, FleetSums, ScenarioSums
from vmalab.views.fleet import (
    head_text,
    part_text,
    scenario_text,
    services_text,
    use_text,
)
from vmalab.views.html.document import (
    CULPRIT,
    CURE,
    MAX_ROWS,
    SYMPTOM,
    KeyFigure,
    Page,
    Statement,
    Table,
)

_NOT_RUN = (
    "A changed limit is run only where a call was refused by it, or where more was used than it "
    "allows: elsewhere it decides nothing."
)


def fleet_page(sums: FleetSums, title: str) -> Page:
    """Return the page. title: what was looked at."""
    unusable = [f"{path}: {why}" for path, why in sums.unusable[:20]]
    return Page(
        title="Fleet",
        subtitle=f"vmalab fleet report of {title}",
        verdict=head_text(sums),
        good=not (sums.near or sums.refused),
        story=_story(sums),
        facts=_facts(sums),
        tables=[_limits(sums), _nearest(sums), _services(sums)],
        closing=[
            _causes(sums),
            _failures(sums),
            _scenarios(sums),
            *(_changed(row) for row in sums.scenarios if row.changed),
        ],
        notes=[*unusable, _NOT_RUN],
    )


def _story(sums: FleetSums) -> list[Statement]:
    """Return the worst case, the largest cause, and the scenario that changes the most."""
    story = []
    nearest = sums.nearest
    if nearest:
        row = nearest[0]
        text = f"{row.service} uses {part_text(row.use)} of {row.use.name}."
        story.append(Statement(SYMPTOM, text, (use_text(row.use), row.path)))
    else:
        limits = sums.sorted_limits()
        text = f"No recording uses {sums.near_percent:g} % of a limit."
        most = (f"At most: {100 * limits[0].most:.3g} % of {limits[0].name}",) if limits else ()
        story.append(Statement(SYMPTOM, text, most))
    causes = sums.top_causes(1)
    if causes:
        part = causes[0].vmas / max(sums.vmas, 1)
        text = f"{causes[0].cause} made {part:.0%} of the VMAs at the peaks."
        story.append(Statement(CULPRIT, text, (services_text(causes[0].services),)))
    if sums.scenarios:
        story.append(_cure(sums))
    return story


def _cure(sums: FleetSums) -> Statement:
    """Return the scenario that helps the most and harms nobody, and what the others do."""
    helping = [
        row
        for row in sums.scenarios
        if not row.failing and (row.passing or row.other_peak < row.peak)
    ]
    best = min(
        helping, key=lambda row: (-row.passing_calls, row.other_peak - row.peak), default=None
    )
    others = tuple(
        f"{row.scenario.name}: {scenario_text(row)}" for row in sums.scenarios if row is not best
    )
    if best is None:
        return Statement(
            CURE, "No what-if that was asked helps without letting calls fail.", others
        )
    return Statement(CURE, f"{best.scenario.name}: {scenario_text(best)}.", others)


def _facts(sums: FleetSums) -> list[KeyFigure]:
    return [
        KeyFigure("recordings", f"{sums.recordings:,}"),
        KeyFigure("services", f"{len(sums.services):,}"),
        KeyFigure("memory calls", f"{sums.calls:,}"),
        KeyFigure("near a limit", f"{sums.near:,}", bad=sums.near > 0),
        KeyFigure("refused by a limit", f"{sums.refused:,}", bad=sums.refused > 0),
        KeyFigure("not as recorded", f"{sums.differing:,}", bad=sums.differing > 0),
        KeyFigure("of no use", f"{sums.unusable_count:,}", bad=sums.unusable_count > 0),
        KeyFigure("kernels", ", ".join(sorted(sums.kernels)) or "none"),
    ]


def _limits(sums: FleetSums) -> Table:
    limits = sums.sorted_limits()
    rows: list[tuple[str, ...]] = [
        (
            row.name,
            f"{row.known:,}",
            *(f"{row.at_least[step]:,}" for step in STEPS),
            f"{100 * row.most:.3g} %",
        )
        for row in limits
    ]
    columns = ("limit", "recordings", *(f"at least {step} %" for step in STEPS), "most")
    parts = tuple(min(row.most, 1.0) for row in limits)
    return Table("Limits", columns, rows, tuple(range(1, len(columns))), parts=parts)


def _nearest(sums: FleetSums) -> Table:
    nearest = sums.nearest
    rows: list[tuple[str, ...]] = [
        (part_text(row.use), row.use.name, use_text(row.use), row.service, row.path)
        for row in nearest
    ]
    columns = ("used", "limit", "used of it", "service", "recording")
    parts = tuple(min(row.use.part, 1.0) for row in nearest)
    return Table("Nearest to a limit", columns, rows, (0,), parts=parts)


def _services(sums: FleetSums) -> Table:
    services = sums.top_services(MAX_ROWS)
    rows: list[tuple[str, ...]] = [
        (
            row.name,
            f"{row.recordings:,}",
            f"{row.median:,}",
            f"{row.largest:,}",
            f"{row.near:,}",
            f"{row.refused:,}",
            "" if row.worst is None else f"{row.worst.name} {part_text(row.worst)}",
        )
        for row in services
    ]
    columns = (
        "service",
        "recordings",
        "VMAs, median",
        "VMAs, most",
        "near a limit",
        "refused calls",
        "nearest limit",
    )
    note = "" if len(sums.services) <= MAX_ROWS else f"The first of {len(sums.services):,}."
    return Table("Services", columns, rows, (1, 2, 3, 4, 5), note)


def _causes(sums: FleetSums) -> Table:
    causes = sums.top_causes(MAX_ROWS)
    whole = max(sums.vmas, 1)
    rows: list[tuple[str, ...]] = [
        (
            row.cause,
            f"{row.vmas:,}",
            f"{row.vmas / whole:.1%}",
            f"{row.recordings:,}",
            services_text(row.services),
            row.example,
        )
        for row in causes
    ]
    columns = ("made by", "VMAs", "part", "recordings", "services", "most in")
    parts = tuple(row.vmas / whole for row in causes)
    return Table("Causes", columns, rows, (1, 2, 3), parts=parts)


def _failures(sums: FleetSums) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            row.check,
            row.call,
            row.errno,
            f"{row.recordings:,}",
            f"{row.count:,}",
            services_text(row.services),
            row.example,
        )
        for row in sums.top_failures(MAX_ROWS)
    ]
    columns = ("refused by", "call", "errno", "recordings", "calls", "services", "most in")
    return Table("Calls that failed", columns, rows, (3, 4))


def _scenarios(sums: FleetSums) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            row.scenario.name,
            f"{row.run:,}",
            f"{row.same:,}",
            f"{row.other_peak - row.peak:+,}",
            f"{row.failing_calls:,}",
            f"{row.passing_calls:,}",
            scenario_text(row),
        )
        for row in sums.scenarios
    ]
    columns = ("what if", "run on", "same", "VMAs", "calls that fail", "calls that pass", "effect")
    return Table("What if", columns, rows, (1, 2, 3, 4, 5))


def _changed(sums: ScenarioSums) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            row.service,
            f"{row.effect.peak:,}",
            f"{row.effect.other_peak:,}",
            f"{row.effect.fails:,}",
            f"{row.effect.passes:,}",
            row.path,
        )
        for row in sums.changed
    ]
    columns = ("service", "VMAs", "then", "calls that fail", "calls that pass", "recording")
    return Table(f"Most changed by {sums.scenario.name}", columns, rows, (1, 2, 3, 4))
