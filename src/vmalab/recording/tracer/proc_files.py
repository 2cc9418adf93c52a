# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the address space of a live process: its map as text, its limits, its layout.

The process should be held; a map that is read while it changes can be torn.
"""

import fcntl
import os
import re
import stat
from dataclasses import dataclass
from typing import Final

# What a snapshot keeps of smaps.
_CUT = re.compile(
    rb"^(?:[0-9a-f]+-[0-9a-f]+ .*|(?:Rss|Anonymous|Swap):.*|VmFlags:.*|ProtectionKey: +[1-9].*)\n",
    re.MULTILINE,
)
_STEP = re.compile(
    rb"^([0-9a-f]+-[0-9a-f]+ .*)\n(?:[A-Z](?!mFlags).*\n)*VmFlags:(.*)\n", re.MULTILINE
)
# A flag of tasks in /proc/PID/stat.
_PF_KTHREAD: Final = 0x0020_0000
_LIMITS: Final = {
    b"Max data size": "DATA",
    b"Max stack size": "STACK",
    b"Max locked memory": "MEMLOCK",
    b"Max address space": "AS",
}
_STATUS: Final = frozenset(
    (
        "Uid",
        "Gid",
        "Groups",
        "VmPeak",
        "VmSize",
        "VmLck",
        "VmData",
        "VmStk",
        "VmExe",
        "VmLib",
        "THP_enabled",
        "Threads",
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
    )
)
# Fields of /proc/PID/stat, counted from 0 behind the name in parentheses.
_STAT: Final = {
    "start_code": 23,
    "end_code": 24,
    "start_stack": 25,
    "start_data": 42,
    "end_data": 43,
    "start_brk": 44,
    "arg_start": 45,
    "arg_end": 46,
    "env_start": 47,
    "env_end": 48,
}
# Names of the auxiliary vector's entries that matter to a map.
AUXV_NAMES: Final = {
    3: "AT_PHDR",
    4: "AT_PHENT",
    5: "AT_PHNUM",
    6: "AT_PAGESZ",
    7: "AT_BASE",
    9: "AT_ENTRY",
    11: "AT_UID",
    23: "AT_SECURE",
    25: "AT_RANDOM",
    31: "AT_EXECFN",
    33: "AT_SYSINFO_EHDR",
    51: "AT_MINSIGSTKSZ",
}


# The inode of the initial user namespace (PROC_USER_INIT_INO).
_INITIAL_USER_NS: Final = 0xEFFFFFFD

# What looking at a process meets when it is gone, or may not be looked at. Any other error is the
# recorder's own trouble.
GONE: Final = (FileNotFoundError, ProcessLookupError, PermissionError)


def read_proc(pid: int, name: str) -> bytes:
    """Return a file of /proc/PID, whole; empty when the process, or its memory, is gone."""
    try:
        with open(f"/proc/{pid}/{name}", "rb", buffering=0) as file:
            return file.readall()
    except GONE:
        return b""


def lines_of(text: bytes) -> list[bytes]:
    """Return the lines of a text of the kernel. Names in it may hold any byte but a newline."""
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def read_smaps(pid: int) -> bytes:
    """Return the map with what a snapshot keeps of smaps; empty when it is gone."""
    return b"".join(_CUT.findall(read_proc(pid, "smaps")))


def flagged_lines(smaps: bytes) -> list[bytes]:
    """Return the lines of steps.txt: a range, ` |` and its VmFlags."""
    return [b"%b |%b" % found for found in _STEP.findall(smaps)]


def anonymous_ranges(smaps: bytes) -> list[str]:
    """Return the private VMAs that hold pages of their own: "start-end" in hexadecimal."""
    found: list[str] = []
    span = ""
    for line in lines_of(smaps):
        if line.startswith((b"Anonymous:", b"Swap:")):
            if span and int(line.split()[1]) and found[-1:] != [span]:
                found.append(span)
        elif not line[:1].isupper():
            fields = line.split(None, 2)
            span = fields[0].decode() if fields[1].endswith(b"p") else ""
    return found


def devices(smaps: bytes) -> list[str]:
    """Return the devices of the files that a map shows, each once, as it prints them."""
    found: dict[str, None] = {}
    for line in lines_of(smaps):
        fields = line.split(None, 5)
        if not line[:1].isupper() and len(fields) > 4 and fields[4] != b"0":
            found[fields[3].decode()] = None
    return list(found)


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What meta.json says of an image: limits ([soft, hard], None: unlimited), numbers as hex.

    user_ns: "initial", "other", or "" for not known. personality: a hexadecimal number, "" where it
    may not be read. merge_any: whether PR_SET_MEMORY_MERGE is on.
    """

    rlimits: dict[str, list[int | None]]
    auxv: dict[str, str]
    mm: dict[str, str]
    status: dict[str, str]
    user_ns: str
    personality: str
    merge_any: bool


def _limits(pid: int) -> dict[str, list[int | None]]:
    found: dict[str, list[int | None]] = {}
    for line in lines_of(read_proc(pid, "limits")):
        name = _LIMITS.get(line[:26].rstrip())
        if name is not None:
            values = line[26:].split()[:2]
            found[name] = [None if value == b"unlimited" else int(value) for value in values]
    return found


def layout(pid: int) -> dict[str, int]:
    """Return addresses of the layout in bytes: start_brk, start_stack, and their like."""
    fields = read_proc(pid, "stat").rpartition(b") ")[2].split()
    if len(fields) <= max(_STAT.values()):
        return {}
    return {name: int(fields[index]) for name, index in _STAT.items() if int(fields[index])}


def device_of(device: int) -> str:
    """Return a device as maps prints it."""
    return f"{os.major(device):02x}:{os.minor(device):02x}"


def mapped_sizes(pid: int, ranges: list[tuple[int, int]]) -> list[tuple[str, int, int]]:
    """Return device, inode and size in bytes of the regular files that ranges of memory map.

    Only root may ask; else there are none.
    """
    found: dict[tuple[str, int], int] = {}
    try:
        for name in os.listdir(f"/proc/{pid}/map_files"):
            first, _, last = name.partition("-")
            start, end = int(first, 16), int(last, 16)
            if any(low < end and start < high for low, high in ranges):
                status = os.stat(f"/proc/{pid}/map_files/{name}")
                if stat.S_ISREG(status.st_mode):
                    found[device_of(status.st_dev), status.st_ino] = status.st_size
    except GONE:
        return []
    return [(dev, inode, size) for (dev, inode), size in found.items()]


def status_of(pid: int) -> dict[str, str]:
    """Return the fields of /proc/PID/status that a recording keeps."""
    found = {}
    for line in lines_of(read_proc(pid, "status")):
        name, _, value = line.decode("utf-8", "replace").partition(":")
        if name in _STATUS:
            found[name] = value.strip()
    return found


def user_namespace(pid: int) -> str:
    """Return which user namespace a process is in: "initial" or "other"; "" when nothing tells."""
    try:
        number = os.stat(f"/proc/{pid}/ns/user").st_ino
    except OSError:
        return ""
    return "initial" if number == _INITIAL_USER_NS else "other"


def image_facts(pid: int) -> ImageFacts:
    """Return everything of a process that a recording keeps at the start of an image."""
    raw = read_proc(pid, "auxv")
    words = [int.from_bytes(raw[at : at + 8], "little") for at in range(0, len(raw) - 7, 8)]
    auxv = {
        AUXV_NAMES[key]: f"{value:#x}"
        for key, value in zip(words[::2], words[1::2], strict=False)
        if key in AUXV_NAMES
    }
    mm = {name: f"{value:#x}" for name, value in layout(pid).items()}
    personality = read_proc(pid, "personality").decode().strip()
    merge_any = b"ksm_merge_any: yes" in read_proc(pid, "ksm_stat")
    limits, status = _limits(pid), status_of(pid)
    return ImageFacts(limits, auxv, mm, status, user_namespace(pid), personality, merge_any)


def descriptors(pid: int) -> dict[str, list[str | int]]:
    """Return what a process has open: descriptor -> [name as in /proc/PID/fd, O_* flags]."""
    found: dict[str, list[str | int]] = {}
    try:
        numbers = sorted(int(name) for name in os.listdir(f"/proc/{pid}/fd"))
    except GONE:
        return found
    for number in numbers:
        try:
            name = os.readlink(f"/proc/{pid}/fd/{number}")
        except GONE:
            continue
        found[str(number)] = [name, open_flags(pid, number)]
    return found


def seals(pid: int) -> dict[str, int]:
    """Return the seals of the memory files that a process has open: descriptor -> F_SEAL_* bits."""
    found: dict[str, int] = {}
    for fd, (name, _) in descriptors(pid).items():
        if not str(name).startswith("/memfd:"):
            continue
        try:
            own = os.open(f"/proc/{pid}/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            found[fd] = fcntl.fcntl(own, fcntl.F_GET_SEALS)
        except OSError:
            continue
        finally:
            os.close(own)
    return found


def segments(pid: int) -> dict[str, list[int]]:
    """Return the segments of System V shared memory that a process may attach, by id.

    Each as [key, mode, size in bytes, attachments, uid, gid, cuid, cgid].
    """
    found: dict[str, list[int]] = {}
    try:
        # The list is of the reader's namespace.
        if os.stat(f"/proc/{pid}/ns/ipc").st_ino != os.stat("/proc/self/ns/ipc").st_ino:
            return found
        with open("/proc/sysvipc/shm", "rb") as file:
            rows = file.read().splitlines()[1:]
    except OSError:
        return found
    for row in rows:
        key, shmid, mode, size, _, _, users, *owners = row.split()[:11]
        values = [int(key) & 0xFFFFFFFF, int(mode, 8), int(size), int(users)]
        found[shmid.decode()] = values + [int(owner) for owner in owners]
    return found


def belongings(pid: int) -> dict[str, object]:
    """Return the facts of meta.json on what a process has open, and segments it may attach."""
    return {"fds": descriptors(pid), "seals": seals(pid), "segments": segments(pid)}


def open_flags(pid: int, fd: int) -> int:
    """Return the O_* flags of an open file; 0 when they cannot be read."""
    return open_facts(pid, fd)[0]


def open_facts(pid: int, fd: int) -> tuple[int, int]:
    """Return the O_* flags of an open file and the number of its mount; 0 for what is unknown."""
    flags = mount = 0
    for line in lines_of(read_proc(pid, f"fdinfo/{fd}")):
        if line.startswith(b"flags:"):
            flags = int(line.split()[1], 8)
        elif line.startswith(b"mnt_id:"):
            mount = int(line.split()[1])
            break
    return flags, mount


def threads_of(pid: int) -> list[int]:
    """Return the threads of a process, lowest first; empty when there is no such process."""
    try:
        return sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))
    except GONE:
        return []


def thread_state(tid: int) -> str:
    """Return the state letter of a thread: R, S, D, t, Z, ...; "" when it is gone."""
    head = read_proc(tid, "stat").rpartition(b") ")[2]
    return head[:1].decode()


def is_kernel_thread(tid: int) -> bool:
    """Return whether a thread is one of the kernel's own."""
    fields = read_proc(tid, "stat").rpartition(b") ")[2].split()
    return len(fields) > 6 and int(fields[6]) & _PF_KTHREAD != 0


def thread_usage(tid: int) -> tuple[str, int]:
    """Return the state letter of a thread and the ticks it has used in the kernel.

    "", 0 when gone.
    """
    fields = read_proc(tid, "stat").rpartition(b") ")[2].split()
    return (fields[0].decode(), int(fields[12])) if len(fields) > 12 else ("", 0)


def tracer_of(tid: int) -> int:
    """Return the process that traces a thread; 0 when none does, or the thread is gone."""
    for line in lines_of(read_proc(tid, "status")):
        if line.startswith(b"TracerPid:"):
            return int(line.split()[1])
    return 0


def difference(old: list[bytes], new: list[bytes]) -> tuple[int, int, int]:
    """(start, lines taken out, lines put in) that make one list of the other."""
    start = 0
    shorter = min(len(old), len(new))
    while start < shorter and old[start] == new[start]:
        start += 1
    tail = 0
    while tail < shorter - start and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return start, len(old) - start - tail, len(new) - start - tail
