# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab snapshot`: records a running process's address space as it is at one moment."""

import click

from vmalab.cli.failures import leave_at_once
from vmalab.cli.in_json import answers_in_json
from vmalab.recording.tracer.session import Session, choices_for
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.record import snapshot_answer
from vmalab.views.output import complain, say


@click.command()
@click.option(
    "-o",
    "folder",
    metavar="DIR",
    help="Where to write: a new or empty folder. Default: PID.snapshot.",
)
@answers_in_json("snapshot", "Sum up as a JSON object.")
@click.argument("pid", metavar="PID", type=click.IntRange(1))
def snapshot(folder: str | None, as_json: bool, pid: int) -> None:
    """Record the address space of a running process at one moment.

    The process is held for as long as that takes, and goes on. The result is a recording without
    calls.
    """
    choices = choices_for(steps=False, checkpoint=0, stacks=False)
    taken = Session(folder or f"{pid}.snapshot", choices).snapshot(pid)
    if as_json:
        say(answer_json("snapshot", snapshot_answer(taken)))
    else:
        complain(f"{taken.folder}: {taken.vmas} VMAs of process {pid}")
    leave_at_once(0)
