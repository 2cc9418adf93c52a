# SPDX-License-Identifier: GPL-2.0-or-later
"""All programs that note events, in the order of attaching: what others need comes first."""

from vmalab.recording.events.bpf.btf import KIND_TYPEDEF, Btf
from vmalab.recording.events.programs.calls import mmap_lock, sys_enter, sys_exit
from vmalab.recording.events.programs.faults import own_page, page_fault
from vmalab.recording.events.programs.tasks import exec_done, new_task, prepare_exec, task_exit
from vmalab.recording.events.programs.writer import BpfMaps, BpfProgram, Writer


def every_program(btf: Btf, maps: BpfMaps) -> list[BpfProgram]:
    """Return every program that notes events. Errors: NoSuchType: the kernel lacks something."""

    def new() -> Writer:
        return Writer(btf, maps)

    # Linux 6.10 has this tracepoint; before, images that end by an exec have no last map.
    prepared = (
        [prepare_exec(new())] if btf.has(KIND_TYPEDEF, "btf_trace_sched_prepare_exec") else []
    )
    return [
        *prepared,
        mmap_lock(new()),
        own_page(new()),
        page_fault(new(), "page_fault_user"),
        page_fault(new(), "page_fault_kernel"),
        new_task(new()),
        task_exit(new()),
        exec_done(new()),
        sys_exit(new()),
        sys_enter(new()),
    ]
