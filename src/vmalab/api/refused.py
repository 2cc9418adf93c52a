# SPDX-License-Identifier: GPL-2.0-or-later
"""The error of a call that the model refused: its errno, and which check said no."""

import os
from typing import final

from vmalab.calls.call import Call
from vmalab.calls.symbols import ERRNO_NAME
from vmalab.explain.enomem.failed_calls import UNKNOWN, why_refused
from vmalab.linux.types.mm_types import Mm


@final
class CallRefused(OSError):
    """A call that failed, as the kernel would have let it fail.

    errno: as in OSError. name: "ENOMEM". check: which check refused it, and by how much; "" when
    the model does not say. argument: the one to blame, as the manual page names it, "" for none.
    """

    def __init__(self, number: int, call: str, check: str, argument: str) -> None:
        name = ERRNO_NAME.get(number, str(number))
        told = f"{call}: {os.strerror(number)}" + (f" ({check})" if check else "")
        super().__init__(number, told)
        self.name = name
        self.call = call
        self.check = check
        self.argument = argument

    def __reduce__(self) -> tuple[object, ...]:
        return CallRefused, (self.errno, self.call, self.check, self.argument)


def refusal(mm: Mm | None, call: Call, number: int, text: str) -> CallRefused:
    """Return the error for a call that the model has just answered with -number."""
    if mm is None:
        return CallRefused(number, text, "", "")
    verdict, argument = why_refused(mm, call, number)
    # There is no recording here, of which it could be told what it lacks.
    check = "" if verdict.check == UNKNOWN else verdict.why
    return CallRefused(number, text, check, argument)
