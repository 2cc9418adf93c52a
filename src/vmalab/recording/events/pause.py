# SPDX-License-Identifier: GPL-2.0-or-later
"""The pause in which a process that runs is looked at: first, last, and after events were lost.

Its threads are stopped as a tracer stops them, looked at, and let go; that takes milliseconds.
Events are recorded before the first pause begins, so that nothing falls between.
"""

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from vmalab.recording.tracer import ptrace
from vmalab.recording.tracer.hold import let_go
from vmalab.recording.tracer.probe import guards_of
from vmalab.recording.tracer.proc_files import (
    anonymous_ranges,
    belongings,
    image_facts,
    layout,
    read_smaps,
    status_of,
)
from vmalab.recording.tracer.recorder import Recorder
from vmalab.recording.tracer.recording_writer import Output
from vmalab.recording.tracer.seize import seize, seize_all
from vmalab.recording.tracer.space import Choices


@dataclass(frozen=True, slots=True)
class Look:
    """What was found. when: nanoseconds; what happened before is in the map.

    facts: of the image, as meta.json has them.
    """

    when: int
    threads: list[int]
    facts: dict[str, object]
    smaps: bytes


def look_at(output: Output, pid: int, held: Callable[[], None], *, last: bool) -> Look:
    """Hold a process, and see how it is.

    output: is not written to. held: called while nothing happens to the process. Errors: ReadError,
    and those of `held`.
    """
    recorder = Recorder(output, Choices(logged=False))
    try:
        seize_all(recorder, pid)
        held()
        when = time.monotonic_ns()
        threads = list(recorder.tasks)
        smaps = read_smaps(pid)
        facts = _last_facts(pid) if last else _first_facts(pid, smaps)
    finally:
        let_go(recorder)
    return Look(when, threads, facts, smaps)


def look_at_exec(child: int, go: Callable[[], object], held: Callable[[], None]) -> Look | None:
    """Let a child become its program, and see how that is before it runs; None: it never did.

    go: lets the child make its exec. held: called while it is held there. Errors: ReadError, and
    those of `held`.
    """
    seize(child, ptrace.PTRACE_O_TRACEEXEC)
    go()
    while True:
        _, status = os.waitpid(child, ptrace.WALL)
        if not os.WIFSTOPPED(status):
            return None
        if status >> 16 == ptrace.PTRACE_EVENT_EXEC:
            break
        ptrace.ptrace(ptrace.PTRACE_CONT, child, 0, ptrace.signal_at(status))
    try:
        held()
        when = time.monotonic_ns()
        smaps = read_smaps(child)
        return Look(when, [child], _first_facts(child, smaps), smaps)
    finally:
        ptrace.ptrace(ptrace.PTRACE_DETACH, child)


def _first_facts(pid: int, smaps: bytes) -> dict[str, object]:
    facts = asdict(image_facts(pid)) | belongings(pid)
    return facts | {"anon_vma": anonymous_ranges(smaps), "guards": guards_of(pid)}


def _last_facts(pid: int) -> dict[str, object]:
    places = {name: f"{at:#x}" for name, at in layout(pid).items()}
    return {"final_mm": places, "final_status": status_of(pid)}
