# SPDX-License-Identifier: GPL-2.0-or-later
"""Where CPython keeps which functions a thread is in, by version: offsets in bytes, on x86-64.

Found by gdb in builds with debug information; the releases of a minor version keep to them.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class InterpreterLayout:
    """One minor version.

    interpreters: of the first interpreter in _PyRuntime. threads: of its first thread. native_id,
    frame: of the thread's number and of its innermost frame; within: of that frame in what `frame`
    points to, None: it points to the frame itself. code, previous, owner: in a frame. first_line,
    start: of a code object's first line and instruction. ascii, other: where the characters of a
    str begin.
    """

    interpreters: int
    threads: int
    native_id: int
    frame: int
    within: int | None
    code: int
    previous: int
    owner: int
    first_line: int
    start: int
    ascii: int
    other: int


LAYOUTS: Final = {
    (3, 11): InterpreterLayout(40, 16, 160, 56, 8, 32, 48, 69, 72, 184, 48, 72),
    (3, 12): InterpreterLayout(40, 72, 144, 56, 0, 0, 8, 70, 68, 192, 40, 56),
    (3, 13): InterpreterLayout(632, 7344, 160, 72, None, 0, 8, 70, 68, 200, 40, 56),
}
# The same in all of them: of a thread, a frame, a code object, a str, a bytes object.
NEXT_THREAD: Final = 8
INSTRUCTION: Final = 56
CODE_FILE: Final = 112
CODE_NAME: Final = 128
CODE_LINES: Final = 136
SIZE: Final = 16
STR_STATE: Final = 32
BYTES_START: Final = 32
# The owner of a frame that is no function's, but the interpreter's own.
OWNED_BY_C: Final = 3
