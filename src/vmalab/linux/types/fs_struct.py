# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a task's relative paths start."""

from typing import final

from mypy_extensions import mypyc_attr


@final
@mypyc_attr(native_class=True, acyclic=True)
class FsStruct:
    """struct fs_struct: shared by tasks with CLONE_FS."""

    def __init__(self, pwd: str) -> None:
        # Absolute path of the working directory.
        self.pwd: str = pwd
