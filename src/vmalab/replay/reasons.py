# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the reason for which a recording cannot hold what decided a call."""

from typing import Final, final

from vmalab.calls.call import TruncatedList, TruncatedStr
from vmalab.linux.include.uapi.errno import EBADF, EFAULT, EINVAL
from vmalab.replay.attempt import Attempt
from vmalab.replay.fault_history import FaultHistory
from vmalab.replay.fault_search import Histories
from vmalab.replay.memory_calls import collapses_elsewhere, is_collapse
from vmalab.replay.races import Races
from vmalab.replay.rights import FILTERED, Rights
from vmalab.replay.unknown_files import UnknownFiles
from vmalab.replay.unknown_layout import UnknownLayout
from vmalab.replay.unknown_limits import UnknownLimits
from vmalab.replay.unknown_pkru import PROTECTION_KEYS, UnknownPkru
from vmalab.replay.unread_pointers import has_unprinted_hint, unread
from vmalab.replay.unseen_pages import is_of_file, learns_of_pages
from vmalab.targets.model.capture import vmas_in
from vmalab.targets.model.model import ModelTarget
from vmalab.targets.model.unrecorded import Unrecorded, is_device_mapping

# Reasons for adopting.
FAULT_HISTORY: Final = "fault history"
THREAD_RACE: Final = "thread race"
UNKNOWN_LAYOUT: Final = "unknown layout"
UNSEEN_FD: Final = "unseen fd"
DEVICE_MAPPING: Final = "device mapping"
KILLED_CALL: Final = "killed call"
UNKNOWN_LIMIT: Final = "unknown limit"
RANDOM_PLACE: Final = "random place"
HUGE_PAGES: Final = "huge page pool"
CUT_ARGUMENT: Final = "cut argument"
UNREAD_POINTER: Final = "unread pointer"
PAGE_CACHE: Final = "page cache"
UNKNOWN_FILE: Final = "unknown file"
UNKNOWN_CONFIG: Final = "unknown configuration"
UNKNOWN_FILE_SYSTEM: Final = "unknown file system"
FILE_SIZE: Final = "file size"
RING_CONTENT: Final = "ring content"
FAILED_EXEC: Final = "failed exec"


@final
class Reasons:
    """Explains what was not predicted, each time by the first reason that fits."""

    def __init__(
        self,
        target: ModelTarget,
        unrecorded: Unrecorded,
        faults: FaultHistory,
        races: Races,
        layout: UnknownLayout,
        files: UnknownFiles,
        rights: Rights,
    ) -> None:
        self._target = target
        self._unrecorded = unrecorded
        self._faults = faults
        self._histories = Histories(target, faults)
        self._races = races
        self._layout = layout
        self._files = files
        self._limits = UnknownLimits(target)
        self._rights = rights
        self._pkru = UnknownPkru(target)

    def explain(self, attempt: Attempt) -> str:
        """Return why the recording cannot hold what decides, "" when it can."""
        state, call = attempt.state, attempt.call
        if call.ret is None:
            return KILLED_CALL
        if self._files.learn_layer(attempt) or self._files.learn_below(attempt):
            return UNKNOWN_FILE_SYSTEM
        if self._files.learn_size(attempt):
            return FILE_SIZE
        if attempt.answered and self._histories.explain(attempt):
            return FAULT_HISTORY
        if state.shared and self._races.overlaps(state, call):
            return THREAD_RACE
        if self._pkru.explain(attempt):
            return PROTECTION_KEYS
        unseen = self._rights.explain(attempt)
        if unseen:
            return unseen
        foreign = self._foreign(attempt)
        if foreign:
            return foreign
        heap_unknown = call.name == "brk" and attempt.mm.start_brk == 0
        if (heap_unknown or not state.known_layout) and self._layout.explains(attempt):
            return UNKNOWN_LAYOUT
        if self._layout.shows_base(attempt):
            return RANDOM_PLACE
        if not attempt.answered and self._limits.explains(attempt):
            return UNKNOWN_LIMIT
        if call.name == "mmap" and call.ret == -EFAULT:
            # A 32-bit program's arguments lay in memory that could not be read.
            return CUT_ARGUMENT
        if call.ret != attempt.predicted == -EBADF and not self._unrecorded.knows_fd(call):
            return UNSEEN_FD
        if not state.known_layout and call.ret == -EINVAL and has_unprinted_hint(call):
            return CUT_ARGUMENT
        if unread(call) and call.ret != attempt.predicted:
            return UNREAD_POINTER
        if learns_of_pages(self._target, attempt):
            return PAGE_CACHE if is_of_file(call) else FAULT_HISTORY
        if call.mem is not None and any(map(_is_cut, call.mem.values())):
            return CUT_ARGUMENT
        if is_collapse(call) and attempt.predicted == 0 and self._faults.active:
            return FAULT_HISTORY
        if is_collapse(call) and attempt.predicted in (0, -EINVAL) and _of_files(attempt):
            return PAGE_CACHE
        if call.name == "io_destroy" and call.ret == -EINVAL and attempt.predicted == 0:
            return RING_CONTENT
        if collapses_elsewhere(call) and (attempt.predicted >= 0 or attempt.predicted == -EINVAL):
            return FAULT_HISTORY
        if self._unrecorded.learns_configuration(call, attempt.predicted):
            return UNKNOWN_CONFIG
        if call.name == "mmap":
            if self._unrecorded.learns_of_kind(call):
                return UNKNOWN_FILE
            if self._unrecorded.needs_huge_pages(call, attempt.predicted):
                return HUGE_PAGES
            if self._unrecorded.is_random_place(call, attempt.predicted):
                return RANDOM_PLACE
        return ""

    def of_refused_fork(self, attempt: Attempt) -> str:
        """Return what may have refused a fork that the model would let pass."""
        return FILTERED if self._rights.filters(attempt) else UNKNOWN_LIMIT

    def _foreign(self, attempt: Attempt) -> str:
        """Return the reason where a driver, or a file that was never seen opened, decides."""
        call, known = attempt.call, self._unrecorded
        if call.name == "mmap" and known.maps_device(call):
            return DEVICE_MAPPING
        if call.name == "mmap" and known.maps_unseen(call):
            return UNSEEN_FD
        ranges = attempt.touched or []
        if known.holds_device(attempt.mm, ranges) or _cuts_device(attempt):
            return DEVICE_MAPPING
        return UNSEEN_FD if known.holds_unseen(attempt.mm, ranges) else ""


def _cuts_device(attempt: Attempt) -> bool:
    """Return whether a call was refused that would have cut a driver's mapping.

    A driver may forbid that; in the model the part that the call took is gone by now.
    """
    if attempt.call.ret != -EINVAL or attempt.capture is None:
        return False
    return any(
        is_device_mapping(vma) and vma.vm_start < end and start < vma.vm_end
        for vma in attempt.capture.copies
        for start, end in attempt.touched or ()
    )


def _of_files(attempt: Attempt) -> bool:
    """Return whether a range is of files: which of their pages are in memory is not recorded."""
    spans = attempt.touched or []
    return any(vma.vm_file for start, end in spans for vma in vmas_in(attempt.mm, start, end))


def _is_cut(value: object) -> bool:
    """Return whether the tracer left something of an argument out."""
    return isinstance(value, TruncatedStr | TruncatedList)
