# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab doctor`: what works on this machine, and how to get what does not."""

import click

from vmalab.cli.in_json import answers_in_json
from vmalab.targets.real.abilities import abilities
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.doctor import doctor_answer
from vmalab.views.output import put, say
from vmalab.views.text_table import table
from vmalab.views.visible import visible


@click.command()
@answers_in_json("doctor")
def doctor(as_json: bool) -> None:
    """Tell what works here, and how to get the rest.

    Nothing is changed and nothing is fetched. Exit status: 0.
    """
    found = list(abilities())
    if as_json:
        say(answer_json("doctor", doctor_answer(found)))
        return
    rows = table("", "what", "found*", "needed by*", "to get it*")
    for item in found:
        mark = "yes" if item.there else "no"
        rows.add_row(mark, item.name, visible(item.state), item.need, item.cure)
    put(rows)
