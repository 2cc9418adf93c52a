# SPDX-License-Identifier: GPL-2.0-or-later
"""Explains answers that credentials, filters of calls or security modules decided, unseen.

A log need not show that rights were given up, and never shows what a filter refuses.
"""

from typing import Final, final

from vmalab.calls.call import Call
from vmalab.linux.include.uapi.errno import EACCES, EAGAIN, ENOMEM, ENOSYS, EPERM
from vmalab.linux.include.uapi.mman import PROT_EXEC
from vmalab.linux.include.uapi.seccomp import SECCOMP_MODE_DISABLED
from vmalab.linux.types.task import SECCOMP_MODE_UNKNOWN, Task
from vmalab.recording.format.meta import MetaImage
from vmalab.replay.attempt import Attempt
from vmalab.targets.model.credentials import supposed
from vmalab.targets.model.model import ModelTarget

UNKNOWN_CREDENTIALS: Final = "unknown credentials"
FILTERED: Final = "refused by a filter"
SECURITY_MODULE: Final = "security module"

# What calls answer for the lack of a right, and what filters usually answer.
_UNPRIVILEGED: Final = frozenset((-EPERM, -EACCES, -ENOMEM, -EAGAIN))
_BY_FILTERS: Final = frozenset((-EPERM, -EACCES, -ENOSYS))
_NOTHING: Final = MetaImage()


def asks_for_code(call: Call) -> bool:
    """Return whether a call asks for memory that can be executed."""
    return call.row.prot >= 0 and call.register_at(call.row.prot) & PROT_EXEC != 0


def code_of(call: Call) -> int:
    """Return the protection that a call asks for, if it asks for memory that can be executed."""
    return call.args[call.row.prot] if asks_for_code(call) else 0


def filtered_as(call: Call) -> str:
    """Return what filters tell calls apart by: the name, and the protection of code."""
    code = code_of(call)
    return f"{call.name} {code}" if code else call.name


@final
class Rights:
    """Explains refusals, and their absence, in one replay."""

    def __init__(self, target: ModelTarget) -> None:
        self._target = target
        # Calls that a process's filters have let pass: by process, and how many filters it had.
        self._passed: dict[tuple[int, int], set[str]] = {}

    def passed(self, call: Call) -> None:
        """Note that no filter has refused a call."""
        task = self._target.task(call.tid) if call.ret is not None and call.ret >= 0 else None
        if task is not None and task.seccomp_mode != SECCOMP_MODE_DISABLED:
            self.let_pass(task).add(filtered_as(call))

    def let_pass(self, task: Task) -> set[str]:
        """Return what the filters that a task has have let pass, for more to be added."""
        return self._passed.setdefault((task.tgid, task.filter_count), set())

    def explain(self, attempt: Attempt) -> str:
        """Return the reason for another answer than the predicted one, "" when it is none of these.

        Where other credentials give the recorded answer, the task has them from then on.
        """
        call = attempt.call
        task = self._target.task(call.tid)
        if task is None or attempt.answered or call.ret is None:
            return ""
        if not task.cred.known and self._credentials_explain(attempt, task, call.ret):
            return UNKNOWN_CREDENTIALS
        if self.filters(attempt):
            return FILTERED
        if call.ret == -EACCES and attempt.predicted >= 0 and code_of(call):
            return SECURITY_MODULE
        return ""

    def _credentials_explain(self, attempt: Attempt, task: Task, ret: int) -> bool:
        """Return whether a call answers as recorded with other credentials; the task keeps them."""
        refused = ret in _UNPRIVILEGED
        if not refused and (ret < 0 or attempt.predicted not in _UNPRIVILEGED):
            return False
        if attempt.predicted >= 0:
            if attempt.capture is None:
                return False
            attempt.undo()
        own = task.cred
        source = attempt.state.source
        image = _NOTHING if source is None else source.meta
        task.cred = supposed(task, image, privileged=not refused)
        predicted = self._target.apply(attempt.call)
        if predicted == ret:
            attempt.answer(predicted)
            return True
        if predicted >= 0 and attempt.capture is not None:
            attempt.undo()
        task.cred = own
        return False

    def filters(self, attempt: Attempt) -> bool:
        """Return whether a filter may have answered a call.

        A bare log does not tell whether there is one. What it has let pass before it lets pass
        again, but for code.
        """
        call, task = attempt.call, self._target.task(attempt.call.tid)
        if task is None or call.ret not in _BY_FILTERS:
            return False
        mode = task.seccomp_mode
        if mode == SECCOMP_MODE_DISABLED:
            return False
        if mode == SECCOMP_MODE_UNKNOWN and attempt.state.known_layout:
            return False
        return filtered_as(call) not in self._passed.get((task.tgid, task.filter_count), ())
