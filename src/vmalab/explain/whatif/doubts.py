# SPDX-License-Identifier: GPL-2.0-or-later
"""Why a call may not stand for what a program would do with changes; more in `carry_calls`."""

from typing import Final

NO_PROCESS: Final = "its process does not exist: the fork was refused"
LIMIT_SET: Final = "it sets a limit that is overridden here; the override stays"
ADOPTED: Final = "the recording's answer was adopted"
NO_CALL: Final = "the map changed by no call"
AFTER_FAILURE: Final = "it fails now; the recording shows what followed when it passed"
AFTER_SUCCESS: Final = "it passes now; the recording shows what followed when it failed"
