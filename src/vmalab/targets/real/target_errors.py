# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a target cannot be used, which is not a finding about the model."""

import os

from vmalab.calls.errors import VmalabError


class TargetError(VmalabError):
    """A target cannot be used, or does not answer: not a finding about the model."""


class ConfinementError(TargetError):
    """The executor could not be confined, so it runs nothing. step: that failed; error: errno."""

    def __init__(self, step: str, error: int) -> None:
        super().__init__(step, error)
        self.step = step
        self.error = error

    def __str__(self) -> str:
        return f"the executor cannot be confined: {self.step}: {os.strerror(self.error)}"
