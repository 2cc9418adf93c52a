# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab replay` of many recordings by several workers: each prints nothing, and says what to."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from vmalab.calls.errors import VmalabError
from vmalab.crew.open_crew import nowhere, open_crew
from vmalab.crew.staff import Staff
from vmalab.recording.format.stated import Stated
from vmalab.recording.opening import open_recording
from vmalab.recording.search import recordings_in
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import NUMBERS, ReplayFigures, ReplayReport
from vmalab.replay.usable import check_usable
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.replay import replay_answer
from vmalab.views.output import complain, say
from vmalab.views.progress import Progress
from vmalab.views.text import TextView, recording_lines, replay_messages

UNUSABLE: Final = 2


@dataclass(frozen=True, slots=True)
class SharedReplay:
    """What came of one recording. status: exit status. lines: to print; messages: to complain of.

    identical, seconds, figures: for the sum; figures: the numbers of `ReplayFigures`, None where
    the recording was of no use.
    """

    status: int
    lines: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    identical: bool = False
    seconds: float = 0.0
    figures: dict[str, Any] | None = None


def replay_shared(
    tops: Iterable[str], stated: Stated, kernel: str | None, as_json: bool, staff: Staff
) -> int:
    """Replay all recordings of some paths, and print what came of each, in their order."""
    paths: list[str] = []
    worst = 0
    for top in tops:
        try:
            paths += recordings_in(top)
        except VmalabError as error:
            complain(str(error))
            worst = UNUSABLE
    view = TextView(maps=False, story=False)
    with Progress() as progress, open_crew(nowhere, staff) as crew:
        done = 0
        progress.begin("replay", lambda: done / len(paths))
        units = (partial(replay_one, path, stated, kernel, as_json) for path in paths)
        for done, shown in enumerate(crew.run(units), 1):
            progress.clear()
            worst = max(worst, shown.status)
            for message in shown.messages:
                complain(message)
            for line in shown.lines:
                say(line)
            if shown.figures is not None:
                view.add(shown.identical, shown.seconds, figures_of(shown.figures))
            progress.advance(done, f"{done} of {len(paths)} recordings")
    if not as_json:
        view.total()
    return worst


def replay_one(
    path: str, stated: Stated, kernel: str | None, as_json: bool, place: None = None
) -> SharedReplay:
    """Replay one recording."""
    try:
        report = Replay(open_recording(path, stated), Options(kernel=kernel)).run()
        check_usable(report)
    except VmalabError as error:
        return SharedReplay(UNUSABLE, messages=(str(error),))
    except Exception as error:
        why = f"{path}: a defect of vmalab: {type(error).__name__}: {error}"
        return SharedReplay(UNUSABLE, messages=(why,))
    if as_json:
        lines = [answer_json("replay", replay_answer(report))]
    else:
        lines = list(recording_lines(report))
    return SharedReplay(
        0 if report.identical else 1,
        tuple(lines),
        tuple(replay_messages(report)),
        report.identical and not report.compared_nothing,
        report.seconds,
        numbers_of(report),
    )


def numbers_of(report: ReplayReport) -> dict[str, Any]:
    """Return the figures of a recording as plain data."""
    numbers = {name: getattr(report.total, name) for name in NUMBERS}
    return numbers | {"adopted_reasons": dict(report.total.adopted_reasons)}


def figures_of(numbers: dict[str, Any]) -> ReplayFigures:
    """Return the figures of which `numbers_of` has made plain data."""
    figures = ReplayFigures()
    for name in (*NUMBERS, "adopted_reasons"):
        setattr(figures, name, numbers[name])
    return figures
