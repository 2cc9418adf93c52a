# SPDX-License-Identifier: GPL-2.0-or-later
"""A system call as a recording holds it, and the other events of a log.

Arguments are six plain numbers, as the kernel sees them: an unsigned 64-bit view, missing ones 0.
What a pointer points to, where the tracer printed it, is in `mem` by the argument's index.
"""

from sys import intern
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from vmalab.calls.table import ADDRESS, OTHER, RANGED, ROWS, Syscall
from vmalab.linux.include.registers import register, signed
from vmalab.linux.include.uapi.errno import ENOMEM
from vmalab.linux.include.uapi.prctl import PR_SET_VMA

U64_MAX: Final = 0xFFFF_FFFF_FFFF_FFFF

NO_ARGS: Final = (0, 0, 0, 0, 0, 0)

# How a result is printed: as some text, in decimal, in hexadecimal.
TEXT: Final = 0
DECIMAL: Final = 1
HEXADECIMAL: Final = 2


@mypyc_attr(native_class=False)
class TruncatedStr(str):
    """A string that the tracer cut: there was more behind it."""

    __slots__ = ()


@mypyc_attr(native_class=False)
class TruncatedList(list[object]):
    """An array that the tracer cut: there were more elements."""

    __slots__ = ()


@mypyc_attr(native_class=False)
class UnknownSymbol(str):
    """A constant's name, or a phrase, whose number is not known (in an argument of no matter)."""

    __slots__ = ()


@mypyc_attr(native_class=False)
class FdPath(str):
    """What the tracer said a descriptor stands for (`3</path>`): its note, not user memory."""

    __slots__ = ()


def usual_form(row: Syscall) -> i64:
    """Return how a result of such calls is printed when it is a plain number."""
    return HEXADECIMAL if row.family & ADDRESS else DECIMAL


def printed(result: int, form: i64) -> str:
    """Return a result as it is printed in a form, which is not TEXT."""
    return hex(result) if form == HEXADECIMAL else str(result)


@final
@mypyc_attr(native_class=True, acyclic=True)
class CallName:
    """The name of a call as the tracer prints it, and what is known of such calls.

    form: how a plain result is printed.
    """

    def __init__(self, spelling: str) -> None:
        self.spelling = intern(spelling)
        self.row = ROWS.get(spelling, OTHER)
        self.form = usual_form(self.row)


@final
@mypyc_attr(native_class=True, acyclic=True)
class Call:
    """One system call, from entry to result.

    tid: the thread that made it (0: the log names none). name: the kernel's, also where a 32-bit
    program has another for it; spelling: as the tracer prints it. row: what is known of such calls.
    args: always six, 0 <= a < 2**64; -1 is 2**64 - 1. clone's are in the order of x86-64. a0 to a5:
    the same as registers hold them, native and signed. native: whether `result` is the result as a
    native number, which `ret` makes an object of.
    mem: user memory by argument index: str for strings (bytes that are not UTF-8 as surrogate
    escapes), dict for structs, list for arrays, `FdPath` for a note at a descriptor; None: nothing.
    out: what stands after `=>`, decoded the same way. line, entry_line: 1-based log lines of the
    result and of the entry. time: seconds as the log counts them, 0.0 without. ret: >= 0 or -errno;
    None: never returned, or `?`. ret_text: as printed. ret_mem: what was printed behind the result:
    `FdPath`, or the text in its parentheses. abi: "x86_64" or "i386" (mmap2's offset is in bytes:
    the tracer converts it). lenient: the arguments could not be read (a call that does not matter
    to memory): args are 0. stack: frames that followed (strace -k), innermost first.
    """

    __slots__ = (
        "_args",
        "_ret",
        "_ret_text",
        "_shown",
        "a0",
        "a1",
        "a2",
        "a3",
        "a4",
        "a5",
        "abi",
        "entry_line",
        "lenient",
        "line",
        "mem",
        "name",
        "native",
        "out",
        "result",
        "ret_mem",
        "row",
        "spelling",
        "stack",
        "tid",
        "time",
    )

    def __init__(
        self,
        tid: int,
        name: str,
        args: tuple[int, ...] | None = None,
        mem: dict[int, object] | None = None,
        out: object = None,
        line: int = 0,
        entry_line: int = 0,
        time: float = 0.0,
        ret: int | None = None,
        ret_text: str = "?",
        ret_mem: object = None,
        abi: str = "x86_64",
        lenient: bool = False,
        row: Syscall | None = None,
    ) -> None:
        """row: what is known of calls of that name, where it has been looked up already."""
        if row is None:
            row = ROWS.get(name, OTHER)
        self.tid = tid
        self.row: Syscall = row
        self.name = row.name or name
        self.spelling = name
        self.a0: i64 = 0
        self.a1: i64 = 0
        self.a2: i64 = 0
        self.a3: i64 = 0
        self.a4: i64 = 0
        self.a5: i64 = 0
        # The arguments as objects, once somebody has asked for them.
        self._args: tuple[int, ...] | None = None
        self.mem = mem
        self.out = out
        self.line = line
        self.entry_line = entry_line
        self.time = time
        self.result: i64 = 0
        self.native = False
        self._ret: int | None = None
        self._shown: i64 = TEXT
        self._ret_text = ret_text
        self.ret_mem = ret_mem
        self.abi = abi
        self.lenient = lenient
        self.stack: list[str] | None = None
        # Every attribute is there from here on, which compiled code need not ask then.
        if args is not None:
            self.args = args
        if ret is not None:
            self.ret = ret

    @property
    def args(self) -> tuple[int, ...]:
        """The six arguments, unsigned."""
        args = self._args
        if args is None:
            args = self._args = (
                register(self.a0),
                register(self.a1),
                register(self.a2),
                register(self.a3),
                register(self.a4),
                register(self.a5),
            )
        return args

    @args.setter
    def args(self, args: tuple[int, ...]) -> None:
        self._args = args
        self.a0 = signed(args[0] & U64_MAX)
        self.a1 = signed(args[1] & U64_MAX)
        self.a2 = signed(args[2] & U64_MAX)
        self.a3 = signed(args[3] & U64_MAX)
        self.a4 = signed(args[4] & U64_MAX)
        self.a5 = signed(args[5] & U64_MAX)

    def register_at(self, index: i64) -> i64:
        """Return one of a0 to a5."""
        if index < 3:
            if index == 0:
                return self.a0
            return self.a1 if index == 1 else self.a2
        if index == 3:
            return self.a3
        return self.a4 if index == 4 else self.a5

    @property
    def ret(self) -> int | None:
        """What the call answered: >= 0 or -errno; None: it never returned, or nobody knows."""
        return int(self.result) if self.native else self._ret

    @ret.setter
    def ret(self, ret: int | None) -> None:
        self._ret = ret
        self.native = ret is not None and ret <= U64_MAX >> 1
        self.result = ret if ret is not None and self.native else 0

    @property
    def ret_text(self) -> str:
        """What the call answered, as printed."""
        if self._shown == TEXT:
            return self._ret_text
        return printed(int(self.result), self._shown)

    @ret_text.setter
    def ret_text(self, text: str) -> None:
        self._shown = TEXT
        self._ret_text = text

    def answer(self, result: i64, shown: i64) -> None:
        """Note a result that is printed in decimal or in hexadecimal digits."""
        self.result = result
        self.native = True
        self._shown = shown

    def __reduce__(self) -> tuple[object, ...]:
        """Return how a call is handed to another process, compiled or not."""
        made = (self.tid, self.spelling, self.args, self.mem, self.out, self.line, self.entry_line)
        answered = (self.time, self.ret, self.ret_text, self.ret_mem, self.abi, self.lenient)
        return restored_call, (self.stack, made + answered)

    def rename(self, name: str) -> None:
        """Make it another call, in the tracer's spelling."""
        self.row = ROWS.get(name, OTHER)
        self.name = self.row.name or name
        self.spelling = name

    @property
    def range_at(self) -> int:
        """Index of its range, an address and a length in bytes behind it; -1 when it has none."""
        if self.row.family & RANGED:
            return 0
        return 2 if self.name == "prctl" and self.args[0] == PR_SET_VMA else -1

    @property
    def restarts(self) -> bool:
        """Whether a signal broke the call off so that it is made anew (`? ERESTARTNOINTR`)."""
        return self.ret is None and self.ret_text.startswith("? ERESTART")

    def refused(self, result: int | None) -> int:
        """Return the errno that a result of this call stands for, 0 when it succeeded.

        brk never says so: it answers a break below the one asked for.
        """
        if result is None:
            return 0
        if self.name == "brk":
            return ENOMEM if 0 <= result < self.args[0] else 0
        return -result if result < 0 else 0

    def __repr__(self) -> str:
        return f"<{self.tid} line {self.line}: {self.spelling}{self.args} = {self.ret_text}>"


def restored_call(stack: list[str] | None, arguments: tuple[object, ...]) -> Call:
    """Return the call that `Call.__reduce__` took apart."""
    call = Call(*arguments)  # type: ignore[arg-type]
    call.stack = stack
    return call


@final
class Signal:
    """A signal was delivered.

    name: "SIGSEGV". addr: the address (bytes) of the fault that raised it, None for others.
    text: what else was printed. time, stack: as in `Call`.
    """

    __slots__ = ("addr", "line", "name", "stack", "text", "tid", "time")

    def __init__(
        self, tid: int, line: int, name: str, addr: int | None, text: str, time: float
    ) -> None:
        self.tid = tid
        self.line = line
        self.name = name
        self.addr = addr
        self.text = text
        self.time = time
        self.stack: list[str] | None = None

    def __repr__(self) -> str:
        return f"<{self.tid} line {self.line}: {self.name} {self.text}>"


@final
class Exit:
    """A thread ended: with `status`, or killed by `signal`.

    successor: not 0 when the thread did not end but took over that tid (execve of a thread that is
    not the leader: all others end, it goes on under the leader's number).
    """

    __slots__ = ("line", "signal", "status", "successor", "tid", "time")

    def __init__(
        self,
        tid: int,
        line: int,
        status: int | None,
        signal: str | None,
        successor: int = 0,
        time: float = 0.0,
    ) -> None:
        self.tid = tid
        self.line = line
        self.status = status
        self.signal = signal
        self.successor = successor
        self.time = time

    def __repr__(self) -> str:
        how = f"killed by {self.signal}" if self.signal else f"exited with {self.status}"
        if self.successor:
            how = f"goes on as {self.successor}"
        return f"<{self.tid} line {self.line}: {how}>"


@final
class Thread:
    """A task was there when the log began: a thread of `leader`'s process (0: the nameless one)."""

    __slots__ = ("leader", "line", "tid")

    def __init__(self, tid: int, line: int, leader: int) -> None:
        self.tid = tid
        self.line = line
        self.leader = leader

    def __repr__(self) -> str:
        return f"<line {self.line}: {self.tid} is a thread of {self.leader}>"


@final
class Unparsed:
    """A line that cannot be understood: at most 200 characters of it, and why."""

    __slots__ = ("line", "text", "why")

    def __init__(self, line: int, text: str, why: str) -> None:
        self.line = line
        self.text = text[:200]
        self.why = why

    def __repr__(self) -> str:
        return f"<line {self.line}: {self.why}: {self.text!r}>"


Event = Call | Signal | Exit | Thread | Unparsed
