# SPDX-License-Identifier: GPL-2.0-or-later
"""A call goes from one process to another as it is."""

import pickle

from vmalab.calls.call import Call, TruncatedStr


def test_call_survives_pickling() -> None:
    call = Call(7, "openat", (1, 2**64 - 1, 0, 0, 0, 0), {1: TruncatedStr("/a")}, {"x": [1]}, 3, 2)
    call.stack = ["main"]
    other = pickle.loads(pickle.dumps(call))
    names = ("tid", "name", "args", "mem", "out", "line", "entry_line", "time", "ret", "ret_text")
    for name in (*names, "ret_mem", "abi", "lenient", "stack"):
        assert getattr(other, name) == getattr(call, name)
    assert other.mem is not None
    assert type(other.mem[1]) is TruncatedStr
