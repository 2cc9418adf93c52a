# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab explain`: a small input step by step, each call as a drawing with the conditions."""

import os
from typing import Final

import click

from vmalab.cli.completion import kernels
from vmalab.cli.lesson_cases import books_of_cases
from vmalab.cli.stated import states_machine
from vmalab.explain.history.lesson import Lesson, LessonBook
from vmalab.recording.format.output_file import replace_file
from vmalab.recording.format.stated import Stated
from vmalab.recording.search import one_recording
from vmalab.replay.replay import Options, Replay
from vmalab.replay.usable import check_usable
from vmalab.targets.model.versions import check_version, linux_named
from vmalab.views.html.document import check_library
from vmalab.views.html.lesson import lesson_page
from vmalab.views.lesson import lesson_lines
from vmalab.views.output import complain, say
from vmalab.views.text_table import counted

CASES: Final = ".vma"


@click.command()
@click.argument("path", metavar="PATH", type=click.Path())
@click.option("--case", metavar="NAME", help="One case of a file of cases (.vma).")
@click.option(
    "--kernel", metavar="X.Y", shell_complete=kernels, help="Behave as this kernel version."
)
@states_machine()
@click.option("--html", metavar="FILE", help="Write a page for a lecture, a slide for each step.")
def explain(
    path: str, case: str | None, kernel: str | None, html: str | None, stated: Stated
) -> None:
    """Show a small input step by step: what each call makes of the VMAs, and why.

    PATH is a log of strace, a syzkaller program (.syz), a file of test cases (.vma) or a recording.
    Each step is a drawing in three columns: addresses, file or anonymous memory, what became of it;
    and between VMAs that touch, the conditions for a merge that failed and that held. Exit status:
    0, or 2 when the input cannot be used.
    """
    if kernel is not None:
        check_version(kernel)
    if html is not None:
        check_library()
    if path.endswith(CASES):
        books, subtitle = books_of_cases(path, case), "the VMA core of vmalab"
    elif case is not None:
        raise click.UsageError("--case is for files of test cases (.vma)")
    else:
        books, subtitle = _books(path, kernel, stated)
    if html is not None:
        name = os.path.basename(os.path.normpath(path))
        replace_file(html, lesson_page(name, f"vmalab explain, as {subtitle}", books))
    for book in books:
        for line in lesson_lines(book, len(books) > 1):
            say(line)


def _books(path: str, kernel: str | None, stated: Stated) -> tuple[list[LessonBook], str]:
    """Return the steps of each image of a recording or log, and the kernel. Errors: ReadError."""
    lesson = Lesson()
    report = Replay(one_recording(path, stated), Options(kernel=kernel, observers=(lesson,))).run()
    check_usable(report)
    lesson.mark(report)
    for note in report.notes:
        complain(f"{path}: {note}")
    if report.total.differ:
        complain(f"{path}: {counted(report.total.differ, 'call')} not as recorded")
    books = [book for book in lesson.books.values() if book.steps]
    return books, linux_named(report.kernel)
