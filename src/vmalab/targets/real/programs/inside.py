# SPDX-License-Identifier: GPL-2.0-or-later
"""Process 1 of a guest: records programs, one after the other, and sends the recordings out.

Run as `python -m vmalab.targets.real.programs.inside`. What is to be recorded stands in a file of
the archive. For each program a line of JSON goes out, then the recording's files, packed; behind
the last one, a line that says so. A guest that has another process 1 to become waits for a byte
then, for what comes next on the line is the other one's.
"""

import ctypes
import json
import os
import shutil
import sys
import termios
import traceback
import tty
import zlib
from pathlib import Path
from typing import Final

from vmalab.recording.tracer.session import Session, choices_for

GREETING: Final = b"vmalab programs\n"
WANTED: Final = "/programs.json"
FOLDER: Final = "/recordings"
LINE: Final = "/dev/ttyS1"
# What this process becomes, where the archive has it: the executor.
NEXT: Final = "/init"
END: Final = {"end": True}
_MOUNTS: Final = (("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys"))
_POWER_OFF: Final = 0x4321FEDC
_libc: Final = ctypes.CDLL(None, use_errno=True)


def _mount() -> None:
    """Mount what programs expect. Errors: OSError."""
    for kind, place in _MOUNTS:
        if _libc.mount(kind.encode(), place.encode(), kind.encode(), 0, None) != 0:
            raise OSError(ctypes.get_errno(), f"mount of {place}")


def _record(folder: str, command: list[str], *, steps: bool) -> None:
    """Record one program in a process of its own. Errors: OSError, VmalabError."""
    session = Session(folder, choices_for(steps=steps, checkpoint=0, stacks=False))
    session.launch(command)


def _apart(name: str, command: list[str], *, steps: bool) -> str:
    """Record in a child, so that nothing of one recording is left for the next one.

    Returns: why there is no recording, "" where there is one.
    """
    error, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _record(f"{FOLDER}/{name}", command, steps=steps)
        except Exception as problem:
            traceback.print_exc()
            os.write(told, (str(problem) or repr(problem)).encode()[:1000])
        finally:
            os._exit(0)
    os.close(told)
    with os.fdopen(error, "rb") as words:
        said = words.read().decode("utf-8", "replace")
    os.waitpid(child, 0)
    return said


def _files(name: str) -> tuple[list[tuple[str, int]], bytes]:
    """Return names and sizes of a recording's files, and their contents, packed together."""
    top = Path(FOLDER, name)
    paths = sorted(path for path in top.rglob("*") if path.is_file())
    contents = [path.read_bytes() for path in paths]
    names = [str(path.relative_to(top)) for path in paths]
    sizes = [len(content) for content in contents]
    return list(zip(names, sizes, strict=True)), zlib.compress(b"".join(contents), 6)


def _send(line: int, raw: bytes) -> None:
    while raw:
        raw = raw[os.write(line, raw) :]


def main() -> None:
    """Record all that is wanted, then become the executor or switch the machine off."""
    _mount()
    line = os.open(LINE, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    _send(line, GREETING)
    for name, command, steps in json.loads(Path(WANTED).read_text(encoding="utf-8")):
        error = _apart(name, command, steps=steps)
        files, packed = ([], b"") if error else _files(name)
        head = {"name": name, "error": error, "files": files, "size": len(packed)}
        _send(line, json.dumps(head).encode() + b"\n" + packed)
    _send(line, json.dumps(END).encode() + b"\n")
    termios.tcdrain(line)
    if os.path.exists(NEXT):
        shutil.rmtree(FOLDER, ignore_errors=True)
        os.read(line, 1)
        os.close(line)
        os.execv(NEXT, [NEXT])
    os.sync()
    _libc.reboot(ctypes.c_int(_POWER_OFF))
    sys.exit("cannot be switched off")


if __name__ == "__main__":
    main()
