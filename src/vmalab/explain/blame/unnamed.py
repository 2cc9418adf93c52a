# SPDX-License-Identifier: GPL-2.0-or-later
"""Says why a stack does not lead to a line of the program, and what would make it."""

import re
from collections.abc import Iterator
from typing import Final

from vmalab.explain.blame.callsite import Stack
from vmalab.explain.blame.stack_frames import OWN_CODE

# What a virtual machine needs so that its program's functions are on stacks, by its library.
_MACHINES: Final = (
    (
        re.compile(r"libpython3|python3?(\.\d+)?$"),
        "functions of Python 3.11 to 3.13 have names when they are recorded with --tracer ptrace, "
        "those of a newer one when it is started with -X perf",
    ),
    (
        re.compile(r"libjvm\.so"),
        "Java's methods have names when it is started with -XX:+UnlockDiagnosticVMOptions "
        "-XX:+DumpPerfMapAtExit -XX:+PreserveFramePointer",
    ),
    (
        re.compile(r"node(js)?$|libnode\."),
        "functions of JavaScript have names when Node is started with --perf-basic-prof "
        "--interpreted-frames-native-stack",
    ),
)


def reasons(stack: Stack) -> Iterator[str]:
    """Yield sentences on what is missing, none for a stack that says all."""
    if stack.program:
        if stack.frame is not None and stack.frame.why:
            yield f"{stack.frame.library}: {stack.frame.why}."
        return
    own = [frame for frame in stack.frames if frame.library == OWN_CODE]
    for frame in own:
        if frame.why:
            yield f"{frame.library}: {frame.why}."
    if own:
        return
    for frame in stack.frames:
        for machine, advice in _MACHINES:
            if machine.match(frame.library):
                yield f"{frame.library}: {advice}."
