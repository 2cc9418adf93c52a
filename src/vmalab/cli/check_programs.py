# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab check --programs`: real programs, recorded on each kernel in QEMU and replayed here."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final

from vmalab.calls.errors import ReadError
from vmalab.check.campaign import Plan
from vmalab.recording.opening import open_recording
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport
from vmalab.targets.opening import QEMU
from vmalab.targets.real.programs.chosen import chosen_programs
from vmalab.targets.real.programs.recorded import guest_files, record_in_guest
from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.real.temporary_folder import OwnFolder

_PREFIX: Final = "program-"
# Records programs on an image into a folder: the name of each, and why it could not be.
Record = Callable[[str, str], Iterator[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class ProgramVerdict:
    """What came of one program. saved: where its recording is kept, which differs; "": nowhere."""

    name: str
    report: ReplayReport
    saved: str = ""


def runs_programs(target: str) -> bool:
    """Return whether a target is one that programs are recorded on: a guest of QEMU."""
    return target.startswith(QEMU)


@cache
def _archive() -> bytes:
    """Return what each guest gets. Errors: TargetError."""
    return guest_files(*chosen_programs())


def record_programs(image: str, folder: str) -> Iterator[tuple[str, str]]:
    """Record the programs in a guest; as `record_in_guest`. Errors: TargetError."""
    return record_in_guest(image, _archive(), folder)


def are_recorded() -> Iterator[tuple[str, str]]:
    """Yield the programs that the guest of the streams has recorded. Errors: TargetError."""
    for program in chosen_programs()[0]:
        yield program.name, ""


@contextmanager
def recordings_folder() -> Iterator[str]:
    """Yield a folder for recordings, which is removed at the end. Errors: TargetError."""
    try:
        own = OwnFolder(tempfile.gettempdir(), "programs")
    except OSError as error:
        raise TargetError(f"{tempfile.gettempdir()}: {error.strerror}") from None
    with closing(own):
        yield own.path


def check_programs(
    plan: Plan, folder: str, place: str, record: Record = record_programs
) -> Iterator[ProgramVerdict]:
    """Replay the programs, which the guest of the streams has recorded or one of their own will.

    folder: where recordings that differ are saved. place: where all are first. record: makes the
    recordings where none are there. Errors: TargetError, ReadError.
    """
    recorded = are_recorded() if plan.recordings else record(plan.target.removeprefix(QEMU), place)
    for name, why in recorded:
        if why:
            raise TargetError(f"{name} cannot be recorded: {why}")
        path = os.path.join(place, name)
        report = Replay(open_recording(path), Options(kernel=plan.kernel)).run()
        saved = "" if report.identical else _keep(path, folder, f"{report.kernel}-{name}")
        yield ProgramVerdict(name, report, saved)


def _keep(path: str, folder: str, name: str) -> str:
    """Move a recording to a new folder. Returns: its path. Errors: ReadError."""
    try:
        os.makedirs(folder, exist_ok=True)
        place = tempfile.mkdtemp(prefix=f"{_PREFIX}{name}-", dir=folder)
        for entry in os.listdir(path):
            shutil.move(os.path.join(path, entry), place)
    except OSError as error:
        raise ReadError(folder, 0, error.strerror or "cannot be written") from None
    return place
