# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that give up rights, whose calls are filtered, or answered by a supervisor."""

import sys
from collections.abc import Callable
from pathlib import Path

from vmalab.replay.report import ReplayReport

from .conftest import Run

Replayed = Callable[[Path], ReplayReport]

LIBC = """
import ctypes, fcntl, os, resource, struct, threading
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
place = ctypes.c_void_p(libc.mmap(None, 1 << 20, 3, 0x22, -1, 0))
mask = ctypes.c_ulong(1)

def filtered(number, action, flags=0):
    rules = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, action), (0x06, 0, 0, 0x7fff0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *rule) for rule in rules))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(code)))
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    return libc.syscall(317, 1, flags, program)

def mbind():
    return libc.syscall(237, place, 65536, 2, ctypes.byref(mask), 64, 0)
"""

# Whoever is not root locks no more than the limit from the start.
DROPS = (
    LIBC
    + """
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
root = os.geteuid() == 0
assert (libc.mlock(place, 131072) == 0) is root
libc.munlock(place, 131072)
child = os.fork()
if child == 0:
    if root:
        os.setgroups([5])
        os.setresgid(5, 5, 5)
        os.setresuid(65534, 65534, 65534)
    assert libc.mlock(place, 131072) == -1
    assert libc.mlock(place, 65536) == 0
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert (libc.mlock(place, 131072) == 0) is root
"""
)

FILTERED = (
    LIBC
    + """
assert filtered(237, 0x50000 | 1) == 0
assert mbind() == -1 and ctypes.get_errno() == 1
"""
)

# The supervisor maps memory itself before it answers.
SUPERVISED = (
    LIBC
    + """
ready, listener = threading.Event(), []

def work():
    listener.append(filtered(237, 0x7fc00000, 8))
    ready.set()
    assert mbind() == -1 and ctypes.get_errno() == 1

worker = threading.Thread(target=work)
worker.start()
ready.wait()
asked = bytearray(80)
fcntl.ioctl(listener[0], 0xc0502100, asked)
libc.mmap(None, 4096, 1, 0x22, -1, 0)
answer = struct.pack("QqiI", struct.unpack_from("Q", asked)[0], 0, -1, 0)
fcntl.ioctl(listener[0], 0xc0182101, bytearray(answer))
worker.join()
"""
)


def test_rights_that_are_given_up(record: Run, replayed: Replayed, tmp_path: Path) -> None:
    assert record("--", sys.executable, "-c", DROPS).returncode == 0
    report = replayed(tmp_path / "r")
    assert report.identical
    assert "unknown credentials" not in report.total.adopted_reasons


def test_calls_that_a_filter_refuses(record: Run, replayed: Replayed, tmp_path: Path) -> None:
    assert record("--", sys.executable, "-c", FILTERED).returncode == 0
    assert replayed(tmp_path / "r").total.adopted_reasons["refused by a filter"] == 1


def test_calls_that_a_supervisor_answers(record: Run, replayed: Replayed, tmp_path: Path) -> None:
    assert record("--", sys.executable, "-c", SUPERVISED).returncode == 0
    assert "mbind(" in (tmp_path / "r" / "calls.strace").read_text()
    assert replayed(tmp_path / "r").total.adopted >= 1
