# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab check --mutant`: historic bugs put into the model, to see that a check finds them."""

import os
from typing import Final

from vmalab.calls.errors import UsageError, VmalabError
from vmalab.check.campaign import Plan
from vmalab.check.hunt import Sought, hunt
from vmalab.mutated import fault_names, names
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.check import hunt_answer
from vmalab.views.check import save
from vmalab.views.hunt import trace_table, verdict_lines
from vmalab.views.output import complain, put, say
from vmalab.views.progress import Progress

# Instead of the name of a mutant: all historic bugs; the faults that this engine once had.
ALL: Final = "all"
FAULTS: Final = "faults"


def known_mutant(name: str) -> str:
    """Return the name, of a mutant that there is. Errors: UsageError."""
    if name not in (*names(), *fault_names()):
        there_are = ", ".join((*names(), *fault_names()))
        raise UsageError(f"no such mutant: {name[:60]!r} (there are {there_are}; or all, faults)")
    return name


def sought(which: str, target: str) -> list[Sought]:
    """Return the bugs to look for: ALL historic ones, or the FAULTS that this engine once had."""
    from vmalab.testing.mutants import FAULTS as ONCE
    from vmalab.testing.mutants import GUEST, MUTANTS

    why = "" if target.startswith("qemu:") else "only a guest's kernel can be told what shows it"
    unseen = {GUEST: why, "": ""}
    if which == ALL:
        return [Sought(one.name, one.hidden or unseen[one.needs]) for one in MUTANTS]
    return [Sought(one.name, unseen[one.needs]) for one in ONCE]


def check_mutants(plan: Plan, bugs: list[Sought], folder: str, as_json: bool) -> int:
    """Look for each bug on one target: 0 when all that can be seen are found."""
    traces = []
    with Progress() as progress:
        ended = 0
        progress.begin(plan.target, lambda: ended / len(bugs))

        def tell(name: str, number: int) -> None:
            nonlocal ended
            ended = number
            progress.advance(number, f"{number} of {len(bugs)} bugs, {name} the last")

        try:
            for trace in hunt(plan, bugs, tell):
                traces.append(trace)
                if trace.shrunk is not None:
                    save(trace.shrunk, os.path.join(folder, trace.sought.name), plan.target)
                if as_json:
                    progress.clear()
                    say(answer_json("check", hunt_answer(trace, plan.target)))
        except VmalabError as error:
            progress.clear()
            complain(f"{plan.target}: {error}")
            return 2
        except (KeyboardInterrupt, SystemExit):
            progress.clear()
            done = f"{len(traces)} of {len(bugs)} bugs looked for"
            complain(f"{plan.target}: interrupted: {done}, seed {plan.seed}")
            raise
    if not as_json:
        put(trace_table(traces))
        for line in verdict_lines(traces):
            say(line)
        say(f"{plan.target}, at most {plan.calls} calls each, seed {plan.seed}")
    return 1 if any(trace.missed for trace in traces) else 0
