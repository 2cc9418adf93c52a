# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a recording of what other tools, or a recorder that was killed, have left of events.

They are sorted, or written as text, in a folder of their own.
"""

import mmap
import os
import shutil
import tempfile
import weakref
from dataclasses import dataclass
from typing import Final

from vmalab.calls.errors import ReadError
from vmalab.recording.events import perfdata, rawfile
from vmalab.recording.events.bpftrace_log import BpftraceLog
from vmalab.recording.events.decode import Decoder
from vmalab.recording.events.flight import FlightPlan, flight_of
from vmalab.recording.events.images import Kernel
from vmalab.recording.events.perf_events import assembled
from vmalab.recording.format.meta import MAX_META
from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.format.stated import Stated
from vmalab.recording.json_text import parse_json
from vmalab.recording.readers.line_source import read_all
from vmalab.recording.tracer.recording_writer import Output, OutputFailed

# Bytes of perf.data, and of a log of bpftrace, that are read.
MAX_PERF_DATA: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Decoding:
    """Events that are to be sorted. kernel: of the machine, None where nobody knows. cut: why
    nobody has sorted them yet, "" when that is not known; None: they are whole.
    """

    view: "mmap.mmap | bytes"
    flight: FlightPlan
    kernel: tuple[int, int] | None = None
    cut: str | None = None


def read_out(path: str, stated: Stated | None) -> RecordingFiles:
    """Return a recording that perf has made: its calls, as text. Errors: ReadError."""
    calls = perfdata.PerfData(read_all(path, MAX_PERF_DATA, follow=True), path).lines()
    folder = tempfile.mkdtemp(prefix="vmalab-")
    log = os.path.join(folder, "calls.txt")
    try:
        with open(log, "w", encoding="ascii") as file:
            file.writelines(calls)
        recording = RecordingFiles(path, stated, log)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(recording, shutil.rmtree, folder, ignore_errors=True)
    return recording


def logged(path: str, stated: Stated | None) -> RecordingFiles:
    """Return a recording that bpftrace has logged. Errors: ReadError."""
    text = read_all(path, MAX_PERF_DATA, follow=True).decode("utf-8", "surrogateescape")
    log = BpftraceLog(text.split("\n"), path)
    facts: dict[str, object] = {"format": 2, "recorder": "bpftrace", "faults": "events"}
    return _decoded(path, facts, Decoding(log.events, log.flight), stated)


def sort(path: str, raw: str, stated: Stated | None) -> RecordingFiles:
    """Return a recording whose events have not been sorted."""
    there = RecordingFiles(path)
    meta = os.path.join(path, "meta.json")
    facts = parse_json(read_all(meta, MAX_META), meta)
    if not isinstance(facts, dict):
        raise ReadError(meta, 0, "an object expected")
    if "flight" not in facts:
        # The recorder was killed before it began.
        return RecordingFiles(path, stated)
    flight = flight_of(facts.pop("flight", None), meta)
    try:
        view = rawfile.opened_all(there.path)
    except OSError as error:
        raise ReadError(raw, 0, error.strerror or str(error)) from None
    cut = None if there.meta.complete else there.meta.cut
    return _decoded(path, facts, Decoding(view, flight, there.meta.kernel, cut), stated)


def _decoded(
    path: str,
    facts: dict[str, object],
    decoding: Decoding,
    stated: Stated | None,
) -> RecordingFiles:
    """Return events that have been sorted into a folder of their own. facts: for its meta.json."""
    folder = tempfile.mkdtemp(prefix="vmalab-")
    try:
        output = Output(folder, facts)
        kernel = Kernel(decoding.kernel, opens=False)
        decoder = Decoder(assembled(decoding.view), output, decoding.flight, kernel)
        decoder.run(cut=decoding.cut is not None)
        if decoder.lost:
            output.meta["lost_events"] = decoder.lost
        if decoding.cut is None:
            output.close()
        else:
            output.cut(decoding.cut)
    except OutputFailed as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ReadError(folder, 0, f"cannot be written: {error.why}") from None
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ReadError(path, 0, error.strerror or str(error)) from None
    recording = RecordingFiles(path, stated, folder)
    weakref.finalize(recording, shutil.rmtree, folder, ignore_errors=True)
    return recording
