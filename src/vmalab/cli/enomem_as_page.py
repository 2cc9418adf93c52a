# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab enomem --html`: keeps what a page needs beside the findings, and writes it."""

from typing import final

from vmalab.api.recording import Recording
from vmalab.explain.blame.culprits import CALL
from vmalab.explain.blame.tally import StackTally
from vmalab.explain.blame.watcher import Blame
from vmalab.explain.enomem.failed_calls import Enomem
from vmalab.explain.history.history import History
from vmalab.explain.whatif.cures import cures_of
from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.observer import Observer
from vmalab.replay.replay import Options
from vmalab.views.html.document import Page, check_library, write_page
from vmalab.views.html.enomem import EnomemPage, enomem_page, first_limit


@final
class EnomemAsPage:
    """The page of a recording's findings. observers: of the replay that finds them."""

    def __init__(self, file: str) -> None:
        """Errors: UsageError where pages cannot be made."""
        check_library()
        self._file = file
        self._history = History()
        self._tally = StackTally()
        self._watcher = Blame(tally=self._tally)
        self.observers: tuple[Observer, ...] = (self._history, self._watcher)

    def write(self, recording: RecordingFiles, kernel: str | None, found: Enomem) -> None:
        """Write what was found. Errors: UsageError when it cannot be written."""
        self._history.finish()
        write_page(self._file, self._page(recording, kernel, found))

    def _page(self, recording: RecordingFiles, kernel: str | None, found: Enomem) -> Page:
        """Return the page."""
        asked = Recording(recording, Options(kernel=kernel))
        first = first_limit(found)
        if first is None:
            blame = asked.blame(kernel=kernel)
        else:
            blame = asked.blame(at=first.line, image=first.image, kernel=kernel)
        report = blame.report
        cures = cures_of(
            recording, Options(kernel=kernel), report.image, report.shares[CALL], found.calls
        )
        names = recording.frames()
        return enomem_page(EnomemPage(found, blame, self._history, self._tally, names, cures))
