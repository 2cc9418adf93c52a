# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab why`: what keeps neighbouring VMAs apart, and how many VMAs each cause costs."""

import os
from itertools import pairwise
from typing import Final

import click

from vmalab.api.recording import Recording
from vmalab.calls.errors import ReadError
from vmalab.calls.format import format_call, format_result
from vmalab.calls.snapshot import Snapshot
from vmalab.cli.completion import subjects
from vmalab.cli.in_json import answers_in_json
from vmalab.cli.moment import chooses_moment
from vmalab.cli.stated import states_machine
from vmalab.cli.subject import (
    MemorySubject,
    ProcessSubject,
    RecordingSubject,
    SnapshotSubject,
    parse_address,
    parse_at,
    subject_of,
)
from vmalab.explain.why.boundaries import explain, layout_of_lines
from vmalab.explain.why.place import place_of_lines
from vmalab.explain.why.visible_barriers import LineProber
from vmalab.linux.include.page import USER_END
from vmalab.linux.types.mm_types import Mm
from vmalab.recording.format.meta import Meta, MetaImage
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.format.stated import Stated
from vmalab.replay.replay import Options
from vmalab.targets.model.model import ModelTarget
from vmalab.targets.model.versions import linux_named, version_for
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.why import processes_answer, why_answer
from vmalab.views.output import put, say
from vmalab.views.progress import Progress
from vmalab.views.why import WhyFindings, why_tables

TOP: Final = 10


@click.command()
@click.argument("subject", metavar="PID|PATH", shell_complete=subjects)
@click.argument("address", metavar="[ADDR]", required=False)
@chooses_moment
@click.option(
    "--pid",
    metavar="PID",
    type=click.IntRange(1),
    help="The process in a kernel's memory; without, its processes are listed.",
)
@click.option(
    "--call",
    "line",
    metavar="LINE",
    type=click.IntRange(1),
    help="Show why the mmap of this line of a recording's log landed where it did.",
)
@click.option("--top", metavar="N", type=click.IntRange(1), default=TOP, show_default=True)
@states_machine()
@click.option("--html", metavar="FILE", help="Write a page with a map.")
@answers_in_json("why", "One JSON object with everything.")
def why(
    subject: str,
    address: str | None,
    at: str,
    image: str | None,
    kernel: str | None,
    pid: int | None,
    line: int | None,
    top: int,
    html: str | None,
    as_json: bool,
    stated: Stated,
) -> None:
    """Show why neighbouring VMAs are not one, and what each cause costs.

    The subject is a live process (its PID), a recording, or a file with a memory map: maps
    or smaps, what pmap, gdb or a crash report printed, a core file; or a kernel's memory (a vmcore,
    /proc/kcore) with the PID of one of its processes. With ADDR (hexadecimal) it
    looks closely at the VMA there and at both its ends. Exit status: 0, or 2 when the input cannot
    be used.
    """
    place = None if address is None else parse_address(address)
    moment = parse_at(at)
    if html is not None:
        # A tenth of the time that all takes to start.
        from vmalab.views.html.document import check_library, write_page
        from vmalab.views.html.why import why_page

        check_library()
    named = subject_of(subject, stated)
    if line is not None:
        if not isinstance(named, RecordingSubject) or as_json or html is not None:
            raise click.UsageError("--call is for recordings, and has neither --json nor --html")
        _landing(named.recording, kernel, line)
        return
    if isinstance(named, MemorySubject):
        if pid is None:
            _list_processes(named.path, top, as_json)
            return
        found = _of_memory(named.path, pid, kernel, place)
    elif pid is not None:
        raise click.UsageError("--pid is for a kernel's memory: name a live process by its PID")
    elif isinstance(named, RecordingSubject):
        found = _of_recording(subject, named.recording, moment, image, kernel, place)
    else:
        found = _of_snapshot(subject, named, kernel, place)
    if html is not None:
        write_page(html, why_page(found))
    if as_json:
        say(answer_json("why", why_answer(found)))
        return
    for part in why_tables(found, top):
        put(part)


def _list_processes(path: str, top: int, as_json: bool) -> None:
    """Print the processes in a kernel's memory."""
    from vmalab.cli.kernel_memory import processes_in
    from vmalab.recording.memory.kernel_dump import KernelDump
    from vmalab.views.processes import process_tables

    processes = processes_in(KernelDump(path))
    if as_json:
        say(answer_json("why", processes_answer(processes)))
        return
    for part in process_tables(processes, top):
        put(part)


def _of_memory(path: str, pid: int, kernel: str | None, address: int | None) -> WhyFindings:
    """Explain a process in a kernel's memory."""
    from vmalab.cli.kernel_memory import why_in_memory
    from vmalab.recording.memory.kernel_dump import KernelDump

    return why_in_memory(KernelDump(path), pid, kernel, address)


def _landing(recording: RecordingFiles, kernel: str | None, line: int) -> None:
    """Print where the call of a line landed, and why."""
    from vmalab.explain.why.landed import landed
    from vmalab.views.landing import landing_told

    with Progress() as progress:
        progress.begin(recording.path, recording.share_read)
        call, landing, report = landed(recording, Options(kernel=kernel), line)
    text = f"{format_call(call)} = {format_result(call.name, call.ret)}"
    say(f"{recording.path}, line {line}, as {linux_named(report.kernel)}:")
    say(f"  {text}")
    for part in landing_told(landing):
        put(part)
    if call.ret is not None and call.ret < 0 and landing.address is not None:
        say("That is where it would have gone: another check refused the call (vmalab enomem).")
    elif call.ret is not None and call.ret != landing.address:
        say(f"The recording has it at {call.ret:x}: the log does not hold what decided that.")


def _of_recording(
    text: str,
    recording: RecordingFiles,
    at: int | str,
    image: str | None,
    kernel: str | None,
    address: int | None,
) -> WhyFindings:
    """Explain a recording, of which everything is known: ask the model."""
    with Progress() as progress:
        progress.begin(text, recording.share_read)
        asked = Recording(recording, Options(progress=progress.advance))
        return asked.why(address, at=at, image=image, kernel=kernel)


def _of_snapshot(
    text: str,
    named: ProcessSubject | SnapshotSubject,
    kernel: str | None,
    address: int | None,
) -> WhyFindings:
    """Return a live process or a saved file: what its lines show."""
    notes: list[str] = []
    breaks: set[int] = set()
    lines: Snapshot
    meta = Meta()
    policies: dict[int, str] = {}
    if isinstance(named, ProcessSubject):
        from vmalab.recording.live.live_map import read_policies

        read = named.read()
        lines = read.lines
        policies = read_policies(named.pid)
        meta = Meta(kernel=_running_version())
        if read.why:
            notes.append(f"maps was read instead of smaps: {read.why}")
    else:
        from vmalab.recording.readers.map_file import read_map

        text_of_map = read_map(named.path, follow=named.follow)
        lines, breaks = text_of_map.lines, text_of_map.breaks
        notes += text_of_map.notes
        if any(upper.start < lower.end for lower, upper in pairwise(lines)):
            raise ReadError(text, 0, "ranges that overlap or are out of order: no map of a process")
    if not lines or lines[0].start >= USER_END:
        raise ReadError(text, 0, "no VMAs: a kernel thread, or a process that has ended")
    version = version_for(meta, kernel)
    prober = LineProber(_any_mm(meta, version), policies)
    layout = layout_of_lines(lines, prober, breaks)
    return WhyFindings(
        text,
        "now" if isinstance(named, ProcessSubject) else "saved",
        "",
        0,
        version,
        explain(layout),
        tuple(notes),
        None if address is None else place_of_lines(lines, prober, address),
        layout=layout,
    )


def _running_version() -> tuple[int, int] | None:
    """Return the version of this machine's kernel."""
    parts = os.uname().release.split(".")
    if len(parts) < 2 or not (parts[0].isdecimal() and parts[1].isdecimal()):
        return None
    return int(parts[0]), int(parts[1])


def _any_mm(meta: Meta, version: str) -> Mm:
    """Return an empty address space of a machine that behaves as a version."""
    target = ModelTarget(meta, version)
    target.execute(1, MetaImage(), None)
    mm = target.mm(1)
    assert mm is not None
    return mm
