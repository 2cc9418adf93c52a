# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab top`: what processes use of their limits on memory, now and all the time."""

import time
from collections.abc import Iterable
from typing import Final

import click

from vmalab.calls.errors import ReadError
from vmalab.cli.explore import check_terminal
from vmalab.cli.in_json import answers_in_json
from vmalab.cli.real_number import RealNumber
from vmalab.explain.enomem.watched import LimitWatch, Watched
from vmalab.recording.format.output_file import replace_file
from vmalab.recording.live.process_limits import max_map_count
from vmalab.recording.live.survey import Survey
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.top import top_answer
from vmalab.views.output import complain, put, say
from vmalab.views.progress import Progress
from vmalab.views.top import SORTS, beyond, by, top_metrics

INTERVAL: Final = 2.0
# Exit status: a limit is used beyond --warn.
EXIT_BEYOND: Final = 1
# Limits used beyond it that are named.
_WARNED: Final = 20


@click.command()
@click.argument("pid", metavar="[PID]", type=click.IntRange(1), required=False)
@click.option("--once", is_flag=True, help="Print a table and end; no terminal is needed.")
@answers_in_json("top", "With --once: one JSON object.")
@click.option("--prometheus", is_flag=True, help="Prometheus' text format, once.")
@click.option(
    "--watch",
    metavar="FILE",
    help="Keep writing Prometheus' text format to FILE, for a textfile collector.",
)
@click.option(
    "--warn",
    metavar="PERCENT",
    type=RealNumber(0, 100),
    help="With --once: exit status 1 when a process uses more of any limit.",
)
@click.option(
    "--interval",
    metavar="SECONDS",
    type=RealNumber(min=0.1, max=86400),
    help=f"Between two looks; {INTERVAL:g} by default. With --once: look twice, and show growth.",
)
@click.option("--sort", type=click.Choice(tuple(SORTS)), default="vmas", show_default=True)
@click.option("--number", metavar="N", type=click.IntRange(1), help="List N processes.")
@click.pass_context
def top(
    ctx: click.Context,
    pid: int | None,
    once: bool,
    as_json: bool,
    prometheus: bool,
    watch: str | None,
    warn: float | None,
    interval: float | None,
    sort: str,
    number: int | None,
) -> None:
    """Show which processes come near their limits on memory, on the terminal.

    Their VMAs against vm.max_map_count, mapped and locked memory against their limits, growth, and
    when a limit will be gone where a trend holds. With PID: that process alone; on the terminal,
    what its calls do to its VMAs as it runs. Exit status: 0; 1 when --warn has something to warn
    of; 2 when there is no such process, or nothing can be read.
    """
    if sum((as_json, prometheus, watch is not None)) > 1:
        raise click.UsageError("--json, --prometheus and --watch exclude each other")
    once = once or as_json or prometheus
    if watch is not None and (once or warn is not None):
        raise click.UsageError("--watch goes on until it is interrupted: no --once, no --warn")
    if warn is not None and not once:
        raise click.UsageError("--warn is for --once")
    survey = Survey(pids=frozenset() if pid is None else frozenset((pid,)))
    if watch is not None:
        _keep_writing(survey, watch, interval or INTERVAL)
    if not once:
        check_terminal("top")
        if pid is not None and _watch_calls(survey, pid):
            return
        from vmalab.tui.top.app import Top

        Top(survey, interval or INTERVAL, sort).run()
        return
    courses = LimitWatch()
    found = _look(survey, courses, pid)
    if interval is not None:
        time.sleep(interval)
        found = _look(survey, courses, pid)
    shown = by(sort, found)[:number]
    if as_json:
        say(answer_json("top", top_answer(shown, max_map_count(), survey.denied)))
    elif prometheus:
        for line in top_metrics(shown):
            say(line)
    else:
        # Half of the time that all takes to start.
        from vmalab.views.top_table import processes_table

        put(processes_table(shown))
        if survey.denied:
            whose = "one process" if survey.denied == 1 else f"{survey.denied} processes"
            complain(f"the maps of {whose} may not be read: that takes CAP_SYS_PTRACE")
    if warn is not None:
        _warn(ctx, found, warn)


def _watch_calls(survey: Survey, pid: int) -> bool:
    """Watch the calls of one process on the terminal. Returns: whether that can be done.

    Errors: ReadError: there is no such process.
    """
    (process,) = _look(survey, LimitWatch(), pid)
    from vmalab.tui.top.attached import Attached
    from vmalab.tui.top.live import LiveTop

    attached = Attached(pid)
    try:
        with Progress() as progress:
            progress.begin(f"process {pid}")
            attached.await_beginning(lambda: progress.advance(0, "attaching"))
        if attached.state is None and attached.why:
            complain(f"its calls cannot be watched: {attached.why}; showing its limits alone")
            return False
        LiveTop(attached, f"process {pid} ({process.comm})").run()
    finally:
        attached.close()
    return True


def _look(survey: Survey, courses: LimitWatch, pid: int | None) -> list[Watched]:
    """Look at all processes. Errors: ReadError: the one that was named is not there."""
    found = courses.add(survey.round(), max_map_count())
    if pid is not None and not found:
        why = "its map may not be read" if survey.denied else "no such process, or a kernel thread"
        raise ReadError(f"/proc/{pid}", 0, why)
    return found


def _warn(ctx: click.Context, found: Iterable[Watched], most: float) -> None:
    """Say which limits are used beyond a part, and leave with an exit status that says so."""
    warnings = beyond(found, most)
    for line in warnings[:_WARNED]:
        complain(line)
    if len(warnings) > _WARNED:
        complain(f"and {len(warnings) - _WARNED} more")
    if warnings:
        ctx.exit(EXIT_BEYOND)


def _keep_writing(survey: Survey, path: str, interval: float) -> None:
    """Write metrics to a file, again and again; whoever reads it finds a whole one."""
    courses = LimitWatch()
    due = time.monotonic()
    while True:
        found = courses.add(survey.round(), max_map_count())
        replace_file(path, "".join(f"{line}\n" for line in top_metrics(by("pid", found))))
        due = max(due + interval, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
