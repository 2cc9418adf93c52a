# SPDX-License-Identifier: GPL-2.0-or-later
"""Recorded calls as streams: made again on a real kernel and in the model, and compared there.

Not the recording is the judge here but the target: its answers may differ from the recorded ones
(another kernel, another beginning), and the model must follow them. One process is followed; where
a generated one forks, its child.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Final

from vmalab.calls.call import Call, FdPath
from vmalab.calls.errors import ReadError
from vmalab.calls.table import PERSONAL
from vmalab.check.campaign import Plan, Sums, Totals, begun, carry_out
from vmalab.check.finding import Finding
from vmalab.check.piece import Shrunk, Tally, tally_of
from vmalab.check.trial import OverBound, Trial, TrialFigures
from vmalab.linux.include.uapi.resource import RLIM_INFINITY
from vmalab.recording.format.meta import Meta
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.opening import open_recording
from vmalab.targets.real.real import TID, RealTarget
from vmalab.targets.real.settings import ROOT_CAPS, Settings
from vmalab.targets.real.wire import CannotEncode, add_call

_SIGCHLD: Final = 17
_FOLDER: Final = "/dev/shm/gold/"
# Calls of one recording that are made, and calls between two maps.
MAX_CALLS: Final = 20_000
PER_MAP: Final = 100
_HEAP: Final = 64 << 20


def recorded_settings(meta: Meta) -> Settings:
    """Return how the recorded process started, as far as a worker can."""
    image = meta.images.get(meta.main_image)
    if image is None:
        return Settings(keeps_vdso=True)
    caps = image.status.get("CapEff", "")
    uid = image.status.get("Uid", "0").split("\t")[0]
    number = int(uid) if uid.isdecimal() and len(uid) < 10 else 0
    try:
        rights = int(caps, 16) if caps else ROOT_CAPS
    except ValueError:
        rights = ROOT_CAPS
    stack = image.rlimits.get("STACK", (8 << 20, RLIM_INFINITY))[0]
    memlock = image.rlimits.get("MEMLOCK", (8 << 20, 8 << 20))[0]
    if number == 0:
        rights |= ROOT_CAPS if not caps else 0
    return Settings(not image.vdso_dropped, number, rights & ROOT_CAPS, stack, memlock)


def recorded_calls(recording: RecordingFiles, shift: int) -> list[Call]:
    """The calls that the executor can make, as one process'. shift: bytes to add to heap places."""
    calls: list[Call] = []
    followed = 0
    start_brk = _start_brk(recording.meta)
    for event in recording.log():
        if not isinstance(event, Call) or len(calls) >= MAX_CALLS:
            continue
        followed = followed or event.tid
        if event.tid != followed:
            continue
        if event.name in ("clone", "fork") and (event.ret or 0) > 0:
            # In generated recordings the child goes on, elsewhere the parent.
            if recording.meta.generator:
                followed = event.ret or followed
                calls.append(Call(TID, "clone", (_SIGCHLD, 0, 0, 0, 0, 0)))
            continue
        call = _portable(event, start_brk, shift)
        if call is not None:
            calls.append(call)
    return calls


def _admitted(calls: list[Call], target: RealTarget, name: str, notes: list[str]) -> list[Call]:
    """Return the calls that a target can make, and note how many it cannot."""
    if target.admits is None:
        return calls
    made = [call for call in calls if target.admits("", call)]
    if len(made) < len(calls):
        notes.append(f"{name}: {len(calls) - len(made)} of {len(calls)} calls left out")
    return made


def _start_brk(meta: Meta) -> int:
    image = meta.images.get(meta.main_image)
    return 0 if image is None else image.mm.get("start_brk", 0)


def _portable(event: Call, start_brk: int, shift: int) -> Call | None:
    """Return a recorded call as a worker can make it; None for one that it cannot."""
    if event.lenient or event.row.family & PERSONAL or event.abi != "x86_64":
        return None
    args = [
        arg + shift if start_brk and start_brk <= arg < start_brk + _HEAP else arg
        for arg in event.args
    ]
    mem: dict[int, object] = {}
    for index, value in (event.mem or {}).items():
        if isinstance(value, FdPath):
            continue
        if isinstance(value, str):
            value = value.removeprefix(_FOLDER)
        mem[index] = value
    if event.name == "mincore":
        mem[2] = []
    elif event.name == "prlimit64":
        args[3] = 0
    elif event.name == "ioctl" and 2 not in mem:
        return None
    call = Call(TID, event.name, tuple(args), mem or None)
    try:
        add_call([], call)
    except CannotEncode:
        return None
    return call


def run_corpus(
    plan: Plan, paths: Iterable[str], tell: Callable[[Totals], None]
) -> Iterator[Shrunk]:
    """Check a target on the calls of recordings: findings as they come. Errors: VmalabError."""
    with begun(plan) as crew:
        units = (partial(run_recorded, path) for path in paths)
        yield from carry_out(plan, crew, units, Sums(crew.size), tell)


def run_recorded(path: str, trial: Trial) -> Tally:
    """Make the calls of one recording; one that cannot be read is noted."""
    trial.figures = TrialFigures()
    began = time.monotonic()
    notes: list[str] = []
    try:
        recording = open_recording(path)
        settings = recorded_settings(recording.meta)
        beginning = trial.target.begin(settings)
        shift = beginning.start_brk - _start_brk(recording.meta)
        calls = _admitted(recorded_calls(recording, shift), trial.target, recording.name, notes)
    except ReadError as error:
        trial.target.end()
        tally = tally_of(trial, time.monotonic() - began, None)
        tally.unread, tally.notes = True, (f"{error}; the recording is left out",)
        return tally
    found, left = None, False
    if calls:
        try:
            found = trial.run(settings, calls, len(calls) - 1, every=PER_MAP)
            made = len(calls) if found is None else len(found.calls)
        except OverBound as error:
            left, made = True, error.index
            notes.append(f"{recording.name}: {error}")
        trial.figures.calls += made
    finding = None
    if found is not None:
        finding = Finding(recording.name, 0, settings, trial.locate(settings, found))
    tally = tally_of(trial, time.monotonic() - began, finding)
    tally.left, tally.notes = left, tuple(notes)
    return tally
