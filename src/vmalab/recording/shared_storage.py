# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings on shared storage, such as s3://BUCKET/FOLDER: found there, and fetched one by one.

Names on the storage come from strangers. Only files that a recording has are fetched, under the
names that they have in one, into a folder of their own. Needs fsspec (`vmalab[fleet]`), and for
each kind of storage what fsspec needs for it.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from vmalab.calls.errors import ReadError, UsageError
from vmalab.recording.format.recording import LOGS, is_image_file, is_image_name
from vmalab.recording.search import MAX_FOLDERS, recordings_in

# Bytes that one recording may have there, and how many files.
MAX_SIZE: Final = 4 << 30
MAX_FILES: Final = 100_000
# Bytes that are copied at a time.
_BLOCK: Final = 1 << 20
_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# Beside the log, at the top of a recording.
_TOP: Final = ("meta.json", "meta.json.gz", "frames.jsonl", "frames.jsonl.gz", *LOGS)


def is_shared(path: str) -> bool:
    """Return whether a path is of shared storage, and not of this machine."""
    return _URL.match(path) is not None


def find_recordings(path: str) -> Iterator[str]:
    """Yield the recordings at a path and in the folders below it. Errors: ReadError, UsageError."""
    if not is_shared(path):
        yield from recordings_in(path)
        return
    storage, root = _opened(path)
    found = False
    try:
        for seen, (folder, folders, files) in enumerate(storage.walk(root)):
            if seen > MAX_FOLDERS:
                raise ReadError(path, 0, f"more than {MAX_FOLDERS} folders")
            if isinstance(folders, list):
                folders.sort()
            if any(log in files for log in LOGS):
                folders.clear()
                found = True
                yield str(storage.unstrip_protocol(folder))
    except _failures() as error:
        raise _unreadable(path, error) from None
    if not found:
        raise ReadError(path, 0, "no recording here or below: no folder has a calls.strace")


@contextmanager
def fetched(path: str, most: int = MAX_SIZE) -> Iterator[str]:
    """Yield a recording's path on this machine, fetched there if need be.

    most: bytes that it may have. Errors: ReadError.
    """
    if not is_shared(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="vmalab-") as folder:
        try:
            _fetch(path, folder, most)
        except _failures() as error:
            raise _unreadable(path, error) from None
        yield folder


def _fetch(path: str, folder: str, most: int) -> None:
    storage, root = _opened(path)
    left = most
    for count, (name, size, there) in enumerate(_files_of(storage, root)):
        here = os.path.join(folder, name)
        os.makedirs(os.path.dirname(here), exist_ok=True)
        if count < MAX_FILES and size <= left:
            left -= _copied(storage, there, here, left)
        else:
            left = -1
        if left < 0:
            raise ReadError(path, 0, f"more than {most} bytes, or {MAX_FILES} files")


def _copied(storage: Any, there: str, here: str, most: int) -> int:
    """Copy a file, which may be longer than its storage says: how many bytes it has.

    What is longer than `most` is cut soon after that.
    """
    count = 0
    with storage.open(there, "rb") as source, open(here, "xb") as file:
        while count <= most and (block := source.read(_BLOCK)):
            file.write(block)
            count += len(block)
    return count


def _files_of(storage: Any, root: str) -> Iterator[tuple[str, int, str]]:
    """Yield a recording's files: the name within it, the size in bytes, where it is."""
    for name, entry in _listed(storage, root, "file"):
        if name in _TOP:
            yield name, int(entry["size"] or 0), entry["name"]
    for folder, images in _listed(storage, root, "directory"):
        if folder != "images":
            continue
        for image, place in _listed(storage, images["name"], "directory"):
            if is_image_name(image):
                for name, entry in _listed(storage, place["name"], "file"):
                    if is_image_file(name):
                        yield f"images/{image}/{name}", int(entry["size"] or 0), entry["name"]


def _listed(storage: Any, folder: str, kind: str) -> list[tuple[str, Any]]:
    """Return the entries of a folder of one kind, by their last names."""
    entries = [entry for entry in storage.ls(folder, detail=True) if entry["type"] == kind]
    return sorted((entry["name"].rstrip("/").rpartition("/")[2], entry) for entry in entries)


def _opened(path: str) -> tuple[Any, str]:
    """Return the storage of a path, and the path there. Errors: UsageError, ReadError."""
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        raise UsageError(
            f"{path}: shared storage needs fsspec: pip install 'vmalab[fleet]'"
        ) from None
    try:
        storage, root = url_to_fs(path)
    except (ImportError, OSError, ValueError) as error:
        raise ReadError(path, 0, f"cannot be reached: {str(error)[:200]}") from None
    return storage, root


def _failures() -> tuple[type[Exception], ...]:
    """Return what storage may raise: each kind has errors of its own, below these."""
    return (OSError, ValueError, KeyError, TypeError, RuntimeError)


def _unreadable(path: str, error: Exception) -> ReadError:
    return ReadError(path, 0, f"cannot be read: {type(error).__name__}: {str(error)[:200]}")
