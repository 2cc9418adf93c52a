# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the conformance kit to a folder: streams for each kernel, runners, and a README."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from typing import Final

from vmalab.calls.errors import ReadError
from vmalab.conformance import kit
from vmalab.conformance.streams import stream_of
from vmalab.conformance.window import PROFILES
from vmalab.recording.format.output_folder import Folder

# What is not made but copied.
KIT: Final = ("README.md", "runner.c", "runner.py", "qiling_target.py")


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """What is wanted. streams: of each profile for each kernel; calls: of each stream."""

    kernels: Sequence[str]
    profiles: Sequence[str] = tuple(PROFILES)
    streams: int = 40
    calls: int = 40
    seed: int = 1


def export(path: str, plan: ExportPlan, advance: Callable[[int], None] | None = None) -> int:
    """Write a kit; Returns: how many streams it has.

    advance: called with how many streams are written. Errors: ReadError for a folder that is not
    empty or cannot be written to.
    """
    written = 0
    try:
        with Folder.at(path) as folder:
            if folder.names():
                raise ReadError(path, 0, "not empty; name a new folder")
            for name in KIT:
                _write(folder, name, (files(kit) / name).read_bytes())
            for kernel in plan.kernels:
                with folder.inside(kernel) as inside:
                    for profile, number in product(plan.profiles, range(plan.streams)):
                        text = _text(plan, kernel, profile, number)
                        _write(inside, f"{profile}-{number:03}.jsonl", text)
                        written += 1
                        if advance is not None:
                            advance(written)
    except OSError as error:
        raise ReadError(path, 0, error.strerror or str(error)) from None
    return written


def _text(plan: ExportPlan, kernel: str, profile: str, number: int) -> bytes:
    """Return a stream as its file has it."""
    lines = stream_of(kernel, profile, plan.seed * 1000 + number, plan.calls)
    return b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)


def _write(folder: Folder, name: str, raw: bytes) -> None:
    with os.fdopen(folder.new(name), "wb") as file:
        file.write(raw)
