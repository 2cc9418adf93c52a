# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab record`: runs a program, or attaches to one, and records its memory calls."""

import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NoReturn, final

import click

from vmalab.calls.errors import UsageError
from vmalab.cli.failures import leave_at_once
from vmalab.cli.in_json import answers_in_json
from vmalab.cli.real_number import RealNumber
from vmalab.recording.tracer.summary import Summary
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.record import record_answer
from vmalab.views.output import complain, say, say_lines

if TYPE_CHECKING:
    from vmalab.recording.events.perf_source import PerfSource
    from vmalab.recording.events.source import Source

# The recording of a running process ended before its time.
EXIT_CUT: Final = 1
# Seconds between two lines of progress.
_SHOW_EVERY: Final = 0.25


def _size(count: int) -> str:
    """Return bytes as people read them: "12.3 MiB"."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def _progress(lines: int, images: int) -> None:
    click.echo(f"\rvmalab: {lines} lines, {images} images ", nl=False, err=True)


@final
class _EventsShown:
    """Shows how much has come, a few times a second."""

    def __init__(self) -> None:
        self._shown = 0.0

    def __call__(self, size: int, lost: int) -> None:
        now = time.monotonic()
        if now > self._shown + _SHOW_EVERY:
            self._shown = now
            found = f"; {lost} lost" if lost else ""
            click.echo(f"\rvmalab: {_size(size)} of events{found}\033[K ", nl=False, err=True)


def _warn(text: str) -> None:
    """Say at once that the recording has ended, though the program goes on."""
    # Nobody may be there to read it, and the program's exit status is still to come.
    with suppress(OSError):
        complain(text)
        if os.environ.get("VMALAB_TRACEBACK") and sys.exc_info()[0] is not None:
            traceback.print_exc()


def _told(summary: Summary) -> str:
    if summary.status is not None and not summary.images and not summary.cut:
        return f"{summary.folder}: nothing is recorded: the program has not begun"
    return (
        f"{summary.folder}: {summary.lines} "
        f"{'line' if summary.lines == 1 else 'lines'}, {summary.images} "
        f"{'image' if summary.images == 1 else 'images'}, {_size(summary.size)}, "
        f"{summary.seconds:.1f} s" + (f"; by ptrace: {summary.held}" if summary.held else "")
    )


@click.command(context_settings={"ignore_unknown_options": False})
@click.option(
    "-o",
    "folder",
    metavar="DIR",
    help="Where to write: a new or empty folder; those around it are made too.",
)
@click.option("-p", "pid", metavar="PID", type=click.IntRange(1), help="Attach to a process.")
@click.option("-k", "stacks", is_flag=True, help="Record the call stack of each memory call.")
@click.option("--steps", is_flag=True, help="Record the map after every call.")
@click.option(
    "--checkpoint",
    metavar="N",
    type=click.IntRange(0),
    default=0,
    help="Record the map every N lines of the log.",
)
@click.option(
    "--tracer",
    type=click.Choice(("events", "perf", "ptrace")),
    help="How: watch the kernel's events, by BPF or by perf events (needs root), or hold the "
    "program at each call.  [default: the first of these that works]",
)
@click.option(
    "--duration",
    metavar="SECONDS",
    type=RealNumber(0, min_open=True),
    help="With events: end the recording after so long.",
)
@click.option(
    "--max-size",
    metavar="MIB",
    type=click.IntRange(1),
    help="With events: end the recording when so many MiB of events have come.",
)
@click.option(
    "--last",
    metavar="SECONDS",
    type=RealNumber(0, min_open=True),
    help="With events: keep no more than the newest events, of so long at least.",
)
@click.option(
    "--until-enomem",
    is_flag=True,
    help="With events: end the recording when a call fails with ENOMEM.",
)
@click.option(
    "--bpftrace",
    is_flag=True,
    help="Record nothing: print a program for bpftrace, whose log can be replayed.",
)
@answers_in_json("record", "Sum up as a JSON object, on standard error.")
@click.argument("command", metavar="[--] COMMAND...", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def record(
    ctx: click.Context,
    folder: str | None,
    pid: int | None,
    stacks: bool,
    steps: bool,
    checkpoint: int,
    tracer: str | None,
    duration: float | None,
    max_size: int | None,
    last: float | None,
    until_enomem: bool,
    bpftrace: bool,
    as_json: bool,
    command: tuple[str, ...],
) -> None:
    """Record the memory calls of a program and of all that it starts, to be replayed.

    The exit status is the program's own; 128 + N if signal N ended it; 2 when nothing could be
    recorded. With -p, an interrupt ends the recording and lets the process go on; the exit status
    is 1 when the recording ended before that because something went wrong.
    """
    if bpftrace:
        if command:
            raise click.UsageError("--bpftrace: bpftrace starts the command (-c)")
        from vmalab.recording.events.bpftrace_script import bpftrace_script

        say_lines(bpftrace_script(pid).rstrip())
        return
    if folder is None:
        raise click.UsageError("Missing option '-o'.")
    if (pid is None) == (not command):
        raise click.UsageError("either a command or -p PID is needed")
    if pid is not None:
        # From here on a signal asks for the end of a recording; what it is of comes first.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGHUP, signal.SIGINT))
    if stacks:
        _warn_of_stacks()
    source, why_held = _source(
        tracer,
        holds=steps or checkpoint > 0,
        watches=bool(duration or max_size or last or until_enomem),
        stacks=stacks,
    )
    if source is not None:
        from vmalab.recording.events.flight import FlightChoices
        from vmalab.recording.events.session import FlightSession

        choices = FlightChoices(duration or 0.0, (max_size or 0) << 20, last or 0.0, until_enomem)
        shown = None if as_json or not sys.stderr.isatty() else _EventsShown()
        flight = FlightSession(folder, source, choices, _warn, progress=shown)
        summary = flight.launch(command) if pid is None else flight.attach(pid)
        if shown is not None:
            click.echo("\r\033[K", nl=False, err=True)
        _end(ctx, summary, as_json=as_json, attached=pid is not None)
    # Imported where it is known that this tracer is needed, for it takes a tenth of a second.
    from vmalab.recording.tracer.session import Session, choices_for

    show = None if as_json or not sys.stderr.isatty() else _progress
    held = choices_for(steps=steps, checkpoint=checkpoint, stacks=stacks)
    session = Session(folder, held, show, _warn)
    summary = session.launch(command) if pid is None else session.attach(pid)
    if show is not None:
        click.echo("\r\033[K", nl=False, err=True)
    summary = replace(summary, held=why_held)
    _end(ctx, summary, as_json=as_json, attached=pid is not None)


def _warn_of_stacks() -> None:
    """Say where stacks will not be whole."""
    from vmalab.recording.events.libunwind import FRAME_POINTERS, walks_by

    if walks_by() == FRAME_POINTERS:
        _warn("no libunwind here: call stacks are whole only in code that keeps frame pointers")


def _source(
    tracer: str | None, *, holds: bool, watches: bool, stacks: bool
) -> "tuple[Source | PerfSource | None, str]":
    """Return the kernel's events; where they cannot be had, and nobody asked for either, why not.

    holds, watches: options were given that only --tracer ptrace, or events, can serve.
    Errors: UsageError.
    """
    if holds and (watches or tracer in ("events", "perf")):
        raise click.UsageError("--steps and --checkpoint need --tracer ptrace")
    if watches and tracer == "ptrace":
        raise click.UsageError(
            "--duration, --max-size, --last and --until-enomem need --tracer events"
        )
    if holds or tracer == "ptrace":
        return None, ""
    from vmalab.recording.events.perf_source import PerfSource
    from vmalab.recording.events.source import CannotWatch, Source

    why = ""
    if tracer != "perf":
        try:
            return Source(stacks=stacks), ""
        except CannotWatch as error:
            why = str(error)
        if tracer is None and not watches:
            return None, why
    try:
        found = PerfSource(stacks=stacks)
    except CannotWatch as error:
        if watches or tracer == "perf":
            told = f"{why}; {error}" if why else str(error)
            if watches:
                told += "; without --duration, --max-size, --last and --until-enomem ptrace will do"
            raise UsageError(f"the kernel's events cannot be recorded: {told}") from None
        _warn(f"--tracer events: {why}; recording with ptrace instead")
        return None, ""
    if why:
        _warn(f"{why}; recording by perf events instead")
    return found, ""


def _end(ctx: click.Context, summary: Summary, *, as_json: bool, attached: bool) -> NoReturn:
    """Sum up, and leave with the exit status."""
    if as_json:
        click.echo(answer_json("record", record_answer(summary)), err=True)
    else:
        say(f"vmalab: {_told(summary)}", err=True)
    if attached:
        leave_at_once(EXIT_CUT if summary.cut else 0)
    ctx.exit(summary.status or 0)
