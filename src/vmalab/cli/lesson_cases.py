# SPDX-License-Identifier: GPL-2.0-or-later
"""Test cases of the VMA core as lessons: each case is set up, and its calls are its steps."""

from pathlib import Path

from vmalab.calls.errors import ReadError
from vmalab.explain.history.lesson import LessonBook
from vmalab.testing.cases.case import Case
from vmalab.testing.cases.parser import parse_file
from vmalab.testing.cases.run_case import Failure, run_step, set_up
from vmalab.testing.cases.workbench import Bench


def books_of_cases(path: str, name: str | None) -> list[LessonBook]:
    """Return the steps of each case of a file, or of one of them. Errors: ReadError."""
    cases = parse_file(Path(path))
    wanted = [case for case in cases if name in (None, case.name, case.id)]
    if not wanted:
        raise ReadError(path, 0, f"there is no case {(name or '')[:40]!r}")
    return [_book(case, path) for case in wanted]


def _book(case: Case, path: str) -> LessonBook:
    bench = Bench(case.legend)
    try:
        set_up(bench, case)
        book = LessonBook(f"{case.name}: {case.law}", bench.mm)
        for number, step in enumerate(case.steps):
            run_step(bench, step, f"call {number + 1}")
            answer = f" -> {step.result}" if step.result is not None else ""
            book.step(bench.mm, step.line, f"{step.call.text}{answer}")
    except Failure as failure:
        raise ReadError(path, case.line, "; ".join(failure.problems)) from None
    return book
