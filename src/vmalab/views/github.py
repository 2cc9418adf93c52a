# SPDX-License-Identifier: GPL-2.0-or-later
"""A replay's findings as workflow commands of GitHub Actions: annotations at lines of the log."""

import os
from collections.abc import Iterator

from vmalab.replay.report import ReplayReport
from vmalab.views.text import verdict
from vmalab.views.visible import visible


def annotations(report: ReplayReport) -> Iterator[str]:
    """Yield a command for each line that differs or cannot be used, each note, and the verdict."""
    log = _log_of(report.path)
    for difference in report.differences:
        told = f"{difference.call}\nrecorded: {difference.recorded}\nmodel: {difference.predicted}"
        if difference.cause:
            told += f"\n{difference.cause}"
        yield command("error", told, log, difference.line, f"differs, image {difference.image}")
    if report.total.differ > len(report.differences):
        more = report.total.differ - len(report.differences)
        yield command("error", f"{more} more differences", log)
    for complaint in report.complaints:
        yield command("warning", complaint.why, complaint.path, complaint.line)
    for note in report.notes:
        yield command("warning", note, log)
    yield command("notice" if report.identical else "error", verdict(report), log)


def command(kind: str, text: str, file: str, line: int = 0, title: str = "") -> str:
    """Return a workflow command. line: 0 for the file as a whole."""
    places = [f"file={_property(file)}"]
    if line:
        places.append(f"line={line}")
    if title:
        places.append(f"title={_property(title)}")
    told = "\n".join(visible(part) for part in text.split("\n"))
    return f"::{kind} {','.join(places)}::{_data(told)}"


def _log_of(path: str) -> str:
    """Return the file that an annotation of a recording can stand at."""
    for name in ("calls.strace", "calls.strace.gz", "meta.json"):
        if os.path.isfile(os.path.join(path, name)):
            return os.path.join(path, name)
    return path


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(visible(text)).replace(":", "%3A").replace(",", "%2C")
