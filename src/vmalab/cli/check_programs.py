# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab check --programs`: real programs, recorded on each kernel in QEMU and replayed here."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from vmalab.calls.errors import ReadError
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


def check_programs(
    target: str, kernel: str | None, folder: str, record: Record = record_programs
) -> Iterator[ProgramVerdict]:
    """Record the programs in one guest, one after the other, and replay each.

    kernel: profile of the model, None for the recording's own. folder: where recordings that
    differ are saved. record: makes the recordings. Errors: TargetError, ReadError.
    """
    try:
        own = OwnFolder(tempfile.gettempdir(), "programs")
    except OSError as error:
        raise TargetError(f"{tempfile.gettempdir()}: {error.strerror}") from None
    try:
        for name, why in record(target.removeprefix(QEMU), own.path):
            if why:
                raise TargetError(f"{name} cannot be recorded: {why}")
            path = os.path.join(own.path, name)
            report = Replay(open_recording(path), Options(kernel=kernel)).run()
            saved = "" if report.identical else _keep(path, folder, f"{report.kernel}-{name}")
            yield ProgramVerdict(name, report, saved)
    finally:
        own.close()


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
