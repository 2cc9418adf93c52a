# SPDX-License-Identifier: GPL-2.0-or-later
"""The argument that the engine blames is one that the refusing function looks at.

Which function refuses is seen by watching it: only an interpreted engine can be watched.
"""

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from vmalab import COMPILED
from vmalab.calls.call import Call
from vmalab.explain.enomem.limit_checks import is_noted
from vmalab.linux.mm.refusal import REFUSED_ARGUMENT
from vmalab.linux.types.mm_types import Mm
from vmalab.linux.types.task import Task
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.process_image import ImageState
from vmalab.replay.replay import Options, Replay
from vmalab.targets.model.capture import Capture
from vmalab.targets.model.descriptors import carry_out

ROOT = Path(__file__).resolve().parents[3]
TOP = 1 << 56

# Function of the engine -> the arguments that it can refuse.
LOOKED_AT = {
    "advised_flags": {"advice"},
    "anonymous_vm_flags": {"flags"},
    "change_range": {"prot"},
    "check_mremap_params": {"flags", "old_address", "new_size", "new_address"},
    "check_prep_vma": {"old_address", "old_size"},
    "check_resize": {"old_address", "old_size"},
    "do_madvise": {"advice", "addr", "length"},
    "do_mlock": {"length"},
    "do_mmap": {"length", "offset"},
    "do_mprotect_pkey": {"addr", "prot", "pkey"},
    "do_shmat": {"shmid", "shmaddr"},
    "do_vmi_munmap": {"addr", "length", "old_size"},
    "fault_missing": {"addr"},
    "fault_pages": {"addr"},
    "faultin_page_range": {"advice"},
    "file_vm_flags": {"fd", "flags", "offset"},
    "get_unmapped_area": {"addr"},
    "get_unmapped_area_ulong": {"flags", "length"},
    "ksys_mbind": {"mode", "nodemask", "maxnode", "flags", "addr", "length"},
    "ksys_mincore": {"addr"},
    "ksys_mlock2": {"flags"},
    "ksys_mlockall": {"flags"},
    "ksys_mmap": {"offset", "fd", "flags"},
    "ksys_mremap": {"old_address"},
    "ksys_mseal": {"flags", "addr", "length"},
    "ksys_msync": {"flags", "addr"},
    "ksys_munlock": {"length"},
    "ksys_munmap": {"addr", "length"},
    "ksys_pkey_alloc": {"flags", ""},
    "ksys_remap_file_pages": {"addr", "size", "prot", "pgoff"},
    "ksys_set_mempolicy": {"mode", "nodemask", "maxnode"},
    "ksys_shmdt": {"shmaddr"},
    "madvise_dontneed_free": {"advice"},
    "madvise_guard_install": {"advice"},
    "madvise_pages": {"advice", "addr"},
    "madvise_remove": {"advice"},
    "map_segment": {"shmaddr"},
    "memfd_check_seals_mmap": {"prot"},
    "prctl_set_vma": {"option"},
    "queue_pages_range": {"addr"},
    "remap_move": {"old_address"},
    "shm_address": {"shmaddr"},
    "sys_ioctl": {"fd"},
    "userfaultfd_register": {"range"},
    "userfaultfd_unregister": {"range"},
}


class Watching(Observer):
    """Carries failed calls out once more; notes (function, argument) of those that broke a rule."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], Call] = {}

    def before(self, state: ImageState, mm: Mm, call: Call) -> None:
        mm.refusal.clear()

    def after(self, state: ImageState, mm: Mm, call: Call, reason: str | None) -> None:
        if call.ret is None or call.ret >= 0 or call.name == "clone":
            return
        assert is_noted(mm.refusal, call, -call.ret), call
        if mm.refusal.check != REFUSED_ARGUMENT:
            return
        task = mm.owner
        assert task is not None
        argument = mm.refusal.argument
        capture = Capture(mm, [(0, TOP)])
        function = refusing_function(task, call)
        capture.release()
        if function:
            self.seen.setdefault((function, argument), call)


def refusing_function(task: Task, call: Call) -> str:
    """The function that the errno of a call comes from; "" when it does not fail again."""
    found: list[str] = []

    def watch(frame: FrameType, event: str, arg: Any) -> Any:
        path = frame.f_code.co_filename
        if "/vmalab/linux/" not in path or path.endswith(("/mm/refusal.py", "/types/mm_types.py")):
            return None
        if event == "return" and isinstance(arg, int) and arg == call.ret and not found:
            found.append(frame.f_code.co_name)
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        answer = carry_out(task, call)
    finally:
        sys.settrace(before)
    return found[0] if found and answer == call.ret else ""


@pytest.mark.skipif(COMPILED, reason="a compiled engine cannot be watched")
@pytest.mark.parametrize("name", ["errno-1", "limits-1", "mapcount-1"])
def test_the_argument_is_one_that_is_looked_at_there(name: str) -> None:
    watching = Watching()
    path = ROOT / "tests" / "data" / name
    report = Replay(RecordingFiles(str(path)), Options(observers=(watching,))).run()
    assert report.total.differ == 0
    assert len(watching.seen) > 2
    wrong = {
        (function, argument): call
        for (function, argument), call in watching.seen.items()
        if argument not in LOOKED_AT.get(function, set())
    }
    assert wrong == {}
