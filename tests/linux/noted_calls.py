# SPDX-License-Identifier: GPL-2.0-or-later
"""System calls of tests: one about memory that fails must leave the note of what refused it."""

from typing import Final

from vmalab.calls.call import Call
from vmalab.linux.arch.x86.entry.syscalls import table
from vmalab.linux.include.uapi.errno import ENOMEM, ENOSYS
from vmalab.linux.mm.refusal import REFUSED_ARGUMENT, REFUSED_BY_NOTHING
from vmalab.linux.types.task import Task
from vmalab.replay.memory_calls import is_memory_call

MAX_ERRNO: Final = 4095


def do_syscall(
    task: Task,
    name: str,
    a0: int = 0,
    a1: int = 0,
    a2: int = 0,
    a3: int = 0,
    a4: int = 0,
    a5: int = 0,
    mem: dict[int, object] | None = None,
) -> int:
    """Carry out a call, and check the note that it leaves if it fails.

    A call that is not modelled leaves none, nor one whose allocations are made to fail, nor one of
    a task without memory.
    """
    kernel = task.machine.kernel
    refusal = kernel.refusal
    refusal.clear()
    args = (a0, a1, a2, a3, a4, a5)
    noted = task.mm is not None and is_memory_call(Call(task.pid, name, args))
    noted = noted and all(cache.fault is None for cache in kernel.caches())
    result = table.do_syscall(task, name, *args, mem)
    errno = ENOMEM if name == "brk" and 0 <= result < a0 else -result
    if noted and 0 < errno <= MAX_ERRNO and errno != ENOSYS:
        what = (name, [hex(arg) for arg in args], result)
        assert refusal.check != REFUSED_BY_NOTHING, what
        # brk answers no errno: any will do.
        assert name == "brk" or refusal.errno == errno, (
            what,
            refusal.errno,
            refusal.argument,
            refusal.why,
        )
        assert (refusal.check == REFUSED_ARGUMENT) == (refusal.why != ""), what
    return result
