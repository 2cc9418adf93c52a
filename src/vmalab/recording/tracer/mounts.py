# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads which file system a file of a recorded process is on: its type and mount options.

By the mount that was opened, not by a path: what a path leads to now may be something else.
"""

import os
from collections.abc import Callable
from typing import Final

from vmalab.recording.format.filesystem import UNKNOWN, file_system_words
from vmalab.recording.tracer.proc_files import GONE, device_of

# Names of files on mounts of the kernel's own.
KERNEL_FILES: Final = ("/memfd:", "/SYSV", "/dev/zero (deleted)", "/anon_hugepage")


def _find(pid: int | str, fits: Callable[[list[bytes]], bool]) -> tuple[str, list[str]] | None:
    """Return type and all options of the first mount that fits; None when there is none.

    fits: is given the fields of a line of mountinfo.
    """
    try:
        with open(f"/proc/{pid}/mountinfo", "rb") as file:
            # The mounts that programs and libraries are on come first, and there may be thousands.
            for line in file:
                fields = line.split()
                if fits(fields) and b"-" in fields:
                    at = fields.index(b"-")
                    options = b",".join([fields[5], *fields[at + 3 :]])
                    return fields[at + 1].decode("ascii", "replace"), options.decode(
                        "ascii", "replace"
                    ).split(",")
    except GONE:
        return None
    return None


def layer(options: list[str]) -> str:
    """Return the type of an overlayfs's layers, "" when they differ, or cannot be found from here.

    The upper one and the first lower one stand for all.
    """
    given = dict(option.partition("=")[::2] for option in options)
    lower = given.get("lowerdir", given.get("lowerdir+", ""))
    types = set()
    for folder in (given.get("upperdir", ""), lower.partition(":")[0]):
        if folder.startswith("/") and "\\" not in folder:
            try:
                words = of_device("self", device_of(os.stat(folder).st_dev))
                types.add(words.partition(",")[0])
            except OSError:
                return ""
        elif folder:
            return ""
    return types.pop() if len(types) == 1 else ""


def of_mount(tid: int, mnt_id: int, link: str) -> str:
    """Return the words for the file system of an open file.

    mnt_id: as fdinfo tells; link: the descriptor's. Errors: OSError.
    """
    wanted = b"%d" % mnt_id
    found = None
    # Mounts that the kernel made for itself are in no list.
    if not os.readlink(link).startswith(KERNEL_FILES):
        found = _find(tid, lambda fields: fields[0] == wanted)
        # A descriptor may come from elsewhere.
        found = found or _find("self", lambda fields: fields[0] == wanted)
    if found is not None:
        fs_type, options = found
        if fs_type == "overlay":
            options = [*options, f"layer={layer(options)}"]
        return file_system_words(fs_type, options)
    noexec = os.statvfs(link).f_flag & os.ST_NOEXEC
    return file_system_words(UNKNOWN, ["noexec"] if noexec else [])


def of_device(pid: int | str, dev: str) -> str:
    """Return the words for the file system with a device, as maps prints it; "" when unknown.

    Whether it is mounted noexec depends on the mount, and is left out.
    """
    major, _, minor = dev.partition(":")
    wanted = b"%d:%d" % (int(major, 16), int(minor, 16))
    found = _find(pid, lambda fields: len(fields) > 2 and fields[2] == wanted)
    if found is None:
        return ""
    return file_system_words(found[0], [option for option in found[1] if option != "noexec"])
