# SPDX-License-Identifier: GPL-2.0-or-later
"""Remembers whether guests run with KVM here, which a machine may have and not be able to use.

A guest that does not come up with KVM costs half a minute, so it is tried once after each start of
the machine: the cache has the start at which it failed.
"""

import os
from pathlib import Path
from typing import Final

from vmalab.targets.real.build import cache_folder

DEVICE: Final = "/dev/kvm"
_STARTED: Final = "/proc/sys/kernel/random/boot_id"
_NOTE: Final = "kvm-failed"
# What QEMU says when KVM cannot run the guest's code.
_FAILURE: Final = "KVM internal error"
# Bytes that are read of a note.
_LONG: Final = 100

# Not empty once a guest of this process did not come up with KVM.
_failed: list[bool] = []


def _start() -> str:
    """Return what names this start of the machine, "" where nothing does."""
    try:
        return Path(_STARTED).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def may_use_kvm() -> bool:
    """Tell whether a guest is to be tried with KVM: there is a device, and it has not failed."""
    if _failed or not os.access(DEVICE, os.R_OK | os.W_OK):
        return False
    try:
        with open(cache_folder() / _NOTE, encoding="ascii", errors="replace") as note:
            noted = note.read(_LONG).strip()
    except OSError:
        return True
    return noted == "" or noted != _start()


def note_failure(said: str) -> None:
    """Remember that a guest did not come up with KVM.

    said: by QEMU. Other processes are told where KVM itself failed; a busy machine may be late.
    """
    _failed.append(True)
    if _FAILURE not in said:
        return
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        (cache_folder() / _NOTE).write_text(_start() + "\n", "ascii")
    except OSError:
        return
