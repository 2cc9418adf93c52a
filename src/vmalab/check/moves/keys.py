# SPDX-License-Identifier: GPL-2.0-or-later
"""Moves of random streams: the register that says what protection keys forbid a thread."""

from vmalab.calls.call import Call
from vmalab.check.draw import Draw, call
from vmalab.check.moves.other_calls import protect_key
from vmalab.linux.types.task import INIT_PKRU
from vmalab.targets.real.wire import WRPKRU


def write_register(s: Draw) -> Call:
    """Write the register by its instruction: what a few keys forbid, as others do at the start."""
    if not s.abilities.pkeys:
        return protect_key(s)
    value = s.pick((0, INIT_PKRU, INIT_PKRU))
    for key in (*s.keys[:4], 1 + s.below(15)):
        value = value & ~(3 << 2 * key) | s.below(4) << 2 * key
    return call(WRPKRU, value)
