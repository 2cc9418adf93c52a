# SPDX-License-Identifier: GPL-2.0-or-later
"""A stream's calls as a log has them: each with the id of the thread that made it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vmalab.calls.call import Call
from vmalab.calls.table import FORKS
from vmalab.linux.include.uapi.sched import CLONE_VM
from vmalab.targets.real.real import TID
from vmalab.targets.real.wire import begins_process, ends_process, thread_of


@dataclass(frozen=True, slots=True)
class Logged:
    """One call. tid: whose it is. result: the id of what a fork made, in the place of what the
    executor calls it. image: of whose memory the map is that follows. event: meta.json's entry of
    what began with the call, None for nothing.
    """

    call: Call
    tid: int
    result: int
    image: str
    event: dict[str, object] | None = None


@dataclass(slots=True)
class _Process:
    """threads: their ids by their numbers, 0 for one that has ended."""

    threads: list[int]
    image: str


def as_logged(calls: Sequence[Call], results: Sequence[int | None]) -> Iterator[Logged]:
    """Yield the calls that were answered, up to the first that was not."""
    processes = [_Process([TID], f"{TID}.1")]
    latest = TID
    for line, (call, result) in enumerate(zip(calls, results, strict=False), 1):
        if result is None:
            return
        process, number = processes[-1], thread_of(call)
        threads = process.threads
        tid = (threads[number] if number < len(threads) else 0) or threads[0]
        event: dict[str, object] | None = None
        if call.row.family & FORKS and result > 0:
            latest = result = latest + 1
            event = {"after_line": line, **_begin(call, processes, latest, tid)}
        elif ends_process(call) and len(processes) > 1:
            processes.pop()
        elif call.name == "exit" and tid != threads[0]:
            threads[number] = 0
        yield Logged(call, tid, result, processes[-1].image, event)


def _begin(call: Call, processes: list[_Process], made: int, maker: int) -> dict[str, object]:
    """A thread or a process begins: its entry in meta.json."""
    process = processes[-1]
    if not begins_process(call):
        free = process.threads.index(0) if 0 in process.threads else len(process.threads)
        process.threads[free : free + 1] = [made]
        tgid = process.threads[0]
        return {"event": "thread", "tid": made, "tgid": tgid, "image": process.image}
    shares = call.name == "clone" and call.args[0] & CLONE_VM != 0
    image = process.image if shares else f"{made}.0"
    processes.append(_Process([made], image))
    kind = "sharemm" if shares else "fork"
    return {"event": kind, "pid": made, "ppid": maker, "image": image}
