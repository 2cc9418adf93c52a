# SPDX-License-Identifier: GPL-2.0-or-later
"""The report of a fleet, as tables for people."""

from collections.abc import Iterator
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vmalab.fleet.scenarios import LimitUse
from vmalab.fleet.sums import STEPS, FleetSums, ScenarioSums
from vmalab.views.enomem import amount
from vmalab.views.text_table import counted, table
from vmalab.views.visible import visible

# Services that a row names, and characters of a service's name beside a path.
_NAMED: Final = 3
_SERVICE: Final = 24


def head_text(sums: FleetSums) -> str:
    """Return the report in one line."""
    text = (
        f"{counted(sums.recordings, 'recording')} of {counted(len(sums.services), 'service')}, "
        f"{sums.calls:,} memory calls: "
    )
    if not sums.near and not sums.refused:
        return text + f"none used {sums.near_percent:g} % of a limit"
    return text + (
        f"{sums.near} used {sums.near_percent:g} % of a limit or more, "
        f"{sums.refused} had calls refused by one"
    )


def part_text(use: LimitUse) -> str:
    """Return how much of a limit was used: "99.7 %"."""
    return f"{100 * use.part:.3g} %"


def use_text(use: LimitUse) -> str:
    """Return what was used of a limit, in its unit: "652 MiB of 654 MiB"."""
    return f"{amount(use.most, use.unit)} of {amount(use.limit, use.unit)}"


def services_text(names: set[str]) -> str:
    """Return the services that something concerns, the first by name: "nginx, redis, 4 more"."""
    first = sorted(names)[:_NAMED]
    more = len(names) - len(first)
    return ", ".join(first) + (f", {more} more" if more > 0 else "")


def scenario_text(sums: ScenarioSums) -> str:
    """Return what a scenario does, in a few words."""
    if sums.same == sums.recordings:
        return "changes nothing"
    parts = []
    if sums.failing:
        calls = counted(sums.failing_calls, "call")
        parts.append(f"newly failing: {calls} in {counted(sums.failing, 'recording')}")
    if sums.passing:
        calls = counted(sums.passing_calls, "call")
        parts.append(f"newly passing: {calls} in {counted(sums.passing, 'recording')}")
    if sums.more:
        parts.append(f"more VMAs in {sums.more}")
    if sums.fewer:
        parts.append(f"fewer VMAs in {sums.fewer}")
    return ", ".join(parts) or "other addresses or answers, the same number of VMAs"


def fleet_tables(sums: FleetSums, top: int) -> Iterator[RenderableType]:
    """Yield the report; top: rows of each table."""
    yield Text(head_text(sums), style="bold")
    kernels = ", ".join(
        f"Linux {kernel}: {count}" for kernel, count in sorted(sums.kernels.items())
    )
    yield Text(kernels)
    if sums.unusable_count:
        yield Text(f"{counted(sums.unusable_count, 'recording')} of no use")
    if not sums.recordings:
        return
    if sums.differing:
        differing = counted(sums.differing, "recording")
        yield Text(f"{differing} not as recorded, damaged or modelled wrongly: see `vmalab replay`")
    parts = (_limits(sums), _nearest(sums, top), _services(sums, top), _failures(sums, top))
    for part in (*parts, _causes(sums, top), _scenarios(sums)):
        if part.row_count:
            yield ""
            yield part
    for scenario in sums.scenarios:
        if scenario.changed:
            yield ""
            yield Text(f"Most changed by {visible(scenario.scenario.name)}:")
            yield _changed(scenario, top)


def _limits(sums: FleetSums) -> Table:
    made = table("limit", ">recordings", *(f">{step} %" for step in STEPS), ">most")
    for row in sums.sorted_limits():
        counts = (str(row.at_least[step]) for step in STEPS)
        made.add_row(row.name, str(row.known), *counts, f"{100 * row.most:.3g} %")
    return made


def _nearest(sums: FleetSums, top: int) -> Table:
    made = table(">used", "limit", "used of it", "service", "recording~")
    for row in sums.nearest[:top]:
        made.add_row(
            part_text(row.use),
            row.use.name,
            use_text(row.use),
            Text(visible(row.service)[:_SERVICE], style="cyan"),
            Text(visible(row.path)),
        )
    return made


def _services(sums: FleetSums, top: int) -> Table:
    made = table("service~", ">recordings", ">VMAs", ">most", ">near", ">refused", "nearest limit")
    for row in sums.top_services(top):
        worst = "" if row.worst is None else f"{row.worst.name} {part_text(row.worst)}"
        made.add_row(
            Text(visible(row.name), style="cyan"),
            str(row.recordings),
            str(row.median),
            str(row.largest),
            str(row.near),
            str(row.refused),
            worst,
        )
    return made


def _failures(sums: FleetSums, top: int) -> Table:
    made = table(">recordings", ">calls", "refused by", "call", "errno", "services*")
    for row in sums.top_failures(top):
        made.add_row(
            str(row.recordings),
            str(row.count),
            row.check,
            visible(row.call),
            row.errno,
            visible(services_text(row.services)),
        )
    return made


def _causes(sums: FleetSums, top: int) -> Table:
    made = table(">VMAs", ">part", ">recordings", "made by", "services*")
    for row in sums.top_causes(top):
        made.add_row(
            str(row.vmas),
            f"{row.vmas / max(sums.vmas, 1):.0%}",
            str(row.recordings),
            Text(visible(row.cause), style="cyan"),
            visible(services_text(row.services)),
        )
    return made


def _scenarios(sums: FleetSums) -> Table:
    made = table("what if", ">run", ">same", ">VMAs", "effect*")
    for row in sums.scenarios:
        change = row.other_peak - row.peak
        made.add_row(
            visible(row.scenario.name),
            str(row.run),
            str(row.same),
            f"{change:+d}",
            scenario_text(row),
        )
    return made


def _changed(sums: ScenarioSums, top: int) -> Table:
    made = table(">fail", ">pass", ">VMAs", ">then", "service", "recording~")
    for row in sums.changed[:top]:
        effect = row.effect
        made.add_row(
            str(effect.fails),
            str(effect.passes),
            str(effect.peak),
            str(effect.other_peak),
            Text(visible(row.service)[:_SERVICE], style="cyan"),
            Text(visible(row.path)),
        )
    return made
