# SPDX-License-Identifier: GPL-2.0-or-later
"""Learns what protection keys forbid a thread: the program writes that register without a call.

Sealed memory refuses to be discarded where the key forbids writing, and the kernel neither reads
nor populates what the key forbids.
"""

from typing import Final, final

from vmalab.linux.include.uapi.errno import EFAULT, EINVAL, EPERM
from vmalab.linux.include.uapi.mman import PKEY_DISABLE_ACCESS, PKEY_DISABLE_WRITE
from vmalab.linux.mm.pkeys import set_user_pkey_access, vma_pkey
from vmalab.replay.attempt import Attempt
from vmalab.targets.model.capture import vmas_in
from vmalab.targets.model.model import ModelTarget

PROTECTION_KEYS: Final = "protection keys"

# What calls answer where a key forbids access.
_FORBIDDEN: Final = frozenset((-EPERM, -EFAULT, -EINVAL))
_RIGHTS: Final = (0, PKEY_DISABLE_WRITE, PKEY_DISABLE_ACCESS)


@final
class UnknownPkru:
    """Explains answers that depend on a register of the thread that no log shows."""

    def __init__(self, target: ModelTarget) -> None:
        self._target = target

    def explain(self, attempt: Attempt) -> bool:
        """Return whether other rights give the recorded answer; the thread has them from then on.

        Where they explain a refusal, the call is one that leaves every VMA as it is.
        """
        call, mm = attempt.call, attempt.mm
        task = self._target.task(call.tid)
        if attempt.answered or task is None or not mm.config.pkeys or call.ret is None:
            return False
        if call.ret not in _FORBIDDEN and attempt.predicted not in _FORBIDDEN:
            return False
        if attempt.predicted >= 0 and call.name != "madvise":
            return False
        keys = {
            vma_pkey(vma)
            for start, end in attempt.touched or ()
            for vma in vmas_in(mm, start, end)
            if vma.vm_start < end and start < vma.vm_end
        }
        own = task.pkru
        for key in sorted(keys - {0}):
            for rights in _RIGHTS:
                set_user_pkey_access(task, key, rights)
                predicted = self._target.apply(call)
                if predicted == call.ret:
                    attempt.answer(predicted)
                    return True
            task.pkru = own
        return False
