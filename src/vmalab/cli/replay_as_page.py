# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab replay --html`: checks beforehand that a page can be, keeps its history, writes it."""

import itertools
from typing import final

from vmalab.calls.errors import UsageError
from vmalab.explain.history.history import History
from vmalab.recording.format.stated import Stated
from vmalab.recording.opening import open_recording
from vmalab.recording.search import recordings_in
from vmalab.replay.report import ReplayReport
from vmalab.views.html.document import check_library, write_page
from vmalab.views.html.replay import replay_page


@final
class ReplayAsPage:
    """The page of the one recording of some paths. history: to observe the replay."""

    def __init__(self, paths: tuple[str, ...], file: str) -> None:
        """Errors: UsageError where there is none, or more than one; ReadError."""
        check_library()
        found = itertools.islice((path for top in paths for path in recordings_in(top)), 2)
        if len(list(found)) > 1:
            raise UsageError("--html: a page is of one recording, and there are several; name one")
        self._file = file
        self.history = History()

    def write(self, report: ReplayReport, stated: Stated) -> None:
        """Write what was found. Errors: UsageError when it cannot be written."""
        self.history.finish()
        names = open_recording(report.path, stated).frames()
        write_page(self._file, replay_page(report, self.history, names))
