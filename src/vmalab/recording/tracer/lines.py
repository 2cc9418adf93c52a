# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of the log: calls that have ended, whole or in halves, and ends of threads."""

import os
import signal

from vmalab.recording.tracer.decode import (
    result_text,
    whole_call,
)
from vmalab.recording.tracer.recording_writer import Output
from vmalab.recording.tracer.registers import result_of_killed
from vmalab.recording.tracer.signals import signal_name
from vmalab.recording.tracer.space import Flight, Tracee
from vmalab.recording.tracer.stops import ENDS


def write_call(output: Output, task: Tracee, flight: Flight, result: str) -> int:
    """Write the line of a call that has ended, or its second half. Returns: the line's number."""
    if flight.unfinished:
        line = output.line(task.tid, f"<... {flight.call.name} resumed>) = {result}")
    else:
        line = output.line(task.tid, whole_call(flight.text, result), flight.when)
    if flight.frames:
        output.more(flight.frames)
    return line


def write_killed(output: Output, task: Tracee, flight: Flight, status: int) -> None:
    """Write the line of a call in which a thread dies, unless it has changed nothing.

    status: how the thread ends, as of waitpid().
    """
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS:
        write_refused(output, task, flight)
        return
    result = result_of_killed(flight.call)
    if result is not None:
        write_call(output, task, flight, result_text(flight.call, result))
    elif flight.unfinished or flight.call.name in ENDS:
        write_call(output, task, flight, "?")


def write_refused(output: Output, task: Tracee, flight: Flight) -> None:
    """Write that seccomp has refused a call: to a replay nothing has happened."""
    output.line(task.tid, f"strace: refused by seccomp: {flight.text})")


def write_end(output: Output, tid: int, status: int) -> None:
    """Write how a thread has ended. status: as of waitpid()."""
    if os.WIFEXITED(status):
        output.line(tid, f"+++ exited with {os.WEXITSTATUS(status)} +++")
    else:
        dumped = " (core dumped)" if os.WCOREDUMP(status) else ""
        output.line(tid, f"+++ killed by {signal_name(os.WTERMSIG(status))}{dumped} +++")
