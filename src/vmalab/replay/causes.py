# SPDX-License-Identifier: GPL-2.0-or-later
"""Names what could have changed a map that no call in the log explains."""

from typing import Final

from vmalab.targets.model.identity import Mismatch

# Words of VmFlags by what sets them without a call of the process, as far as a log shows.
_ADVICE: Final = frozenset(("dc", "dd", "de", "nh", "hg", "mg", "wf", "rr", "sr"))
_MADVISE: Final = "madvise by io_uring (IORING_OP_MADVISE) or process_madvise by another process"
_UNLOGGED: Final = "a call that is not in the log: by io_uring, another process, or a lost thread"
_BY_WORD: Final = {
    "ac": "page faults: whether the memory was written to before it lost its write permission",
    "sd": "page faults, or a write to clear_refs by another process",
    "lo": "mlock or mlockall before the log began",
    "me": "a file system that is mounted noexec",
    "mw": "a file that is sealed, or was opened for reading only",
}


def cause_of(mismatch: Mismatch) -> str:
    """Return what could be the cause where nothing else in a recording differs."""
    if mismatch.what == "flags":
        words = frozenset(mismatch.detail.replace(",", "").split())
        if words & _ADVICE:
            return _MADVISE
        return next((_BY_WORD[word] for word in _BY_WORD if word in words), _UNLOGGED)
    if mismatch.what == "file":
        return "a file that was replaced, or opened again, between two calls of the log"
    if mismatch.what == "protection key":
        return "the PKRU register, which the log does not show"
    return _UNLOGGED
