# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds kernel images: by path, or in the cache by their series or point release."""

import os
import re
import struct
from pathlib import Path
from typing import Final

from vmalab.recording.format.release import debian_release
from vmalab.targets.real.build import cache_folder
from vmalab.targets.real.target_errors import TargetError

_FOLDER: Final = "kernels"
_FILE: Final = "vmlinuz"
_POINT: Final = re.compile(r"(?P<release>(?P<series>\d{1,4}\.\d{1,4})\.\d{1,5})", re.ASCII)
# Of an image: its magic number, and where it says at which distance from 0x200 its version is.
_HEAD: Final = 0x210
_MAGIC: Final = (b"HdrS", 0x202)
_VERSION_AT: Final = (0x20E, 0x200)
# Bytes that are read of a version.
_LONG: Final = 300


def find_image(name: str) -> str:
    """Return the path of an image: `name` is one, or its series ("6.12"), or its point release.

    The cache has one image of a series; a point release is found if it is that one. Errors:
    TargetError: no such image, and which there are.
    """
    if os.path.isfile(name):
        return name
    if "/" in name:
        raise TargetError(f"{name}: no such kernel image")
    cached = _cached(name)
    if cached.is_file():
        return str(cached)
    asked = _POINT.fullmatch(name)
    series = _cached(asked["series"]) if asked is not None else cached
    if asked is None or not series.is_file():
        raise TargetError(
            f"{name}: no such kernel image; `make kernels` fetches Debian's, and then qemu:6.12 is "
            "enough"
        )
    there = _release(image_version(series))
    if name == there:
        return str(series)
    raise TargetError(
        f"{name}: no image of this point release; that of qemu:{asked['series']} is "
        f"{there or 'of an unknown one'}. Name another one by its path: qemu:/boot/vmlinuz"
    )


def _cached(name: str) -> Path:
    return cache_folder() / _FOLDER / name / _FILE


def image_version(path: Path) -> str:
    """Return what a bzImage says that it is, as `uname -rv` would; "" where it does not."""
    try:
        with open(path, "rb") as image:
            head = image.read(_HEAD)
            if len(head) < _HEAD or head[_MAGIC[1] :][:4] != _MAGIC[0]:
                return ""
            (distance,) = struct.unpack_from("<H", head, _VERSION_AT[0])
            image.seek(distance + _VERSION_AT[1])
            text = image.read(_LONG)
    except OSError:
        return ""
    return text.partition(b"\0")[0].decode("ascii", "replace")


def _release(version: str) -> str:
    """Return the point release that a version names, Debian's own before all; "" for none."""
    found = _POINT.match(version)
    return debian_release(version) or (found["release"] if found is not None else "")
