# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies a recording without its log: the files that a reader opens, and nothing else of it.

A recording comes from strangers. What lies beside those files stays where it is, and of a file only
its bytes are copied: a set-user-ID bit would be the copier's.
"""

import os
from typing import Final

from vmalab.recording.format.recording import RecordingFiles
from vmalab.recording.readers.line_source import open_plain

_BLOCK: Final = 1 << 20


def copy_all_but_log(recording: RecordingFiles, target: str) -> None:
    """Copy meta.json, frames.jsonl and the files of images into a folder.

    Errors: ReadError of a source, OSError of a target.
    """
    for path in (recording.meta_path, recording.frames_path):
        if path is not None:
            _copy(path, os.path.join(target, os.path.basename(path)))
    for image in recording.images.values():
        if image.path is None:
            continue
        folder = os.path.join(target, "images", image.id)
        os.makedirs(folder)
        for name, path in image.files.items():
            _copy(path, os.path.join(folder, name))


def _copy(source: str, target: str) -> None:
    """Copy a plain file to a new one. What is a hole in it, or could be one, becomes one."""
    with open_plain(source, follow=False) as file, open(target, "xb") as copy:
        while block := file.read(_BLOCK):
            if block.strip(b"\0"):
                copy.write(block)
            else:
                copy.seek(len(block), os.SEEK_CUR)
        copy.truncate()
