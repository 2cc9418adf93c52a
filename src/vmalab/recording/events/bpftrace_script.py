# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes a program for bpftrace that logs what a recording by events needs, a line an event.

It is for machines on which nothing else may run: it takes bpftrace and a shell there, and vmalab
elsewhere, which reads the log (`bpftrace_log`).
"""

from typing import Final

from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.recording.events import wanted
from vmalab.recording.events.magics import BPFTRACE
from vmalab.recording.tracer.stops import TRACED

_HEAD: Final = """\
// SPDX-License-Identifier: GPL-2.0-or-later
// Logs the memory calls of a program, of its threads and children, for `vmalab replay`.
//
//   BPFTRACE_STRLEN=200 BPFTRACE_PERF_RB_PAGES=4096 {usage}

BEGIN
{{
    printf("{magic} %d\\n", {pid});
    @tree[(uint64){pid}] = 1;
"""

# Letters: E entry, L lock, X exit, S string, N new task, P program, W own page, G growth, D end.
_BODY: Final = """\
}

tracepoint:raw_syscalls:sys_enter /@tree[pid] && @calls[args->id]/
{
    @in[tid] = args->id + 1;
    @fault[tid] = 0;
    printf("E %d %d %llu %d %llx %llx %llx %llx %llx %llx\\n", pid, tid, nsecs, args->id,
        args->args[0], args->args[1], args->args[2], args->args[3], args->args[4], args->args[5]);
    $place = @strings[args->id];
    if ($place == 1) { @string[tid] = args->args[0]; }
    if ($place == 2) { @string[tid] = args->args[1]; }
    if ($place == 5) { @string[tid] = args->args[4]; }
}

tracepoint:mmap_lock:mmap_lock_acquire_returned /args->write && @in[tid]/
{
    printf("L %d %d %llu\\n", pid, tid, nsecs);
}

tracepoint:mmap_lock:mmap_lock_acquire_returned /args->write && !@in[tid] && @fault[tid]/
{
    printf("G %d %d %llu %llx\\n", pid, tid, nsecs, @fault[tid]);
}

tracepoint:raw_syscalls:sys_exit /@in[tid]/
{
    if (@string[tid]) {
        printf("S %d %d %llu %llx %s\\n", pid, tid, nsecs, @string[tid], str(@string[tid]));
        delete(@string[tid]);
    }
    printf("X %d %d %llu %d %lld\\n", pid, tid, nsecs, @in[tid] - 1, args->ret);
    delete(@in[tid]);
}

tracepoint:exceptions:page_fault_user /@tree[pid]/ { @fault[tid] = args->address; }
tracepoint:exceptions:page_fault_kernel /@tree[pid]/ { @fault[tid] = args->address; }

tracepoint:kmem:rss_stat /args->member == 1 && args->curr && @fault[tid]/
{
    printf("W %d %d %llu %llx\\n", pid, tid, nsecs, @fault[tid]);
    @fault[tid] = 0;
}

tracepoint:task:task_newtask /@tree[pid]/
{
    printf("N %d %d %llu %d %llx\\n", pid, tid, nsecs, args->pid, args->clone_flags);
    if (!(args->clone_flags & 0x10000)) { @tree[args->pid] = 1; }
}

tracepoint:sched:sched_process_exec /@tree[pid]/
{
    printf("P %d %d %llu %d %s\\n", pid, tid, nsecs, args->old_pid, str(args->filename));
    delete(@in[tid]);
}

tracepoint:sched:sched_process_exit /@tree[pid]/
{
    printf("D %d %d %llu\\n", pid, tid, nsecs);
    delete(@in[tid]);
    delete(@fault[tid]);
    delete(@string[tid]);
}

END { clear(@tree); clear(@calls); clear(@strings); clear(@in); clear(@fault); clear(@string); }
"""


def bpftrace_script(pid: int | None) -> str:
    """Return the program. pid: the process to log; None: the one that bpftrace starts (-c)."""
    usage = (
        "bpftrace -o calls.log calls.bt -c ./program"
        if pid is None
        else ("bpftrace -o calls.log calls.bt")
    )
    head = _HEAD.format(usage=usage, magic=BPFTRACE, pid="cpid" if pid is None else pid)
    numbers = sorted(NUMBER_OF_SYSCALL[name] for name in TRACED)
    calls = [f"@calls[{number}] = 1;" for number in numbers]
    strings = [f"@strings[{number}] = {place};" for number, place in wanted.strings().items()]
    return head + _rows(calls + strings) + _BODY


def _rows(statements: list[str]) -> str:
    """Return statements, four a line."""
    return "".join(
        f"    {' '.join(statements[at : at + 4])}\n" for at in range(0, len(statements), 4)
    )
