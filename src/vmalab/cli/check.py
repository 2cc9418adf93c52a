# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab check`: compares the model with real kernels on random streams or recorded calls."""

import os
import secrets
from contextlib import nullcontext
from dataclasses import replace
from typing import Final

import click

from vmalab.calls.errors import VmalabError
from vmalab.check import kept_runs
from vmalab.check.campaign import Plan, Totals, run_plan
from vmalab.check.corpus import run_corpus
from vmalab.check.guide import Guidance
from vmalab.check.piece import Shrunk
from vmalab.check.profiles import PROFILES
from vmalab.cli.check_mutants import ALL, FAULTS, check_mutants, known_mutant, sought
from vmalab.cli.check_programs import check_programs, recordings_folder, runs_programs
from vmalab.cli.completion import kernels
from vmalab.cli.in_json import answers_in_json
from vmalab.cli.staffed import staffed
from vmalab.crew.staff import Staff
from vmalab.parent import leave_in_order
from vmalab.recording.search import recordings_in
from vmalab.targets.tree.tree import PREFIX as TREE
from vmalab.targets.tree.tree import SANITIZED
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.check import check_answer, program_answer
from vmalab.views.check import (
    finding_lines,
    interrupted_text,
    program_lines,
    progress_text,
    recorded_program_lines,
    save,
    totals_lines,
)
from vmalab.views.output import complain, say
from vmalab.views.progress import Progress

CALLS: Final = 200_000
FOLDER: Final = "vmalab-findings"
# Exit status when a target could not be run, or a recording could not be read.
UNUSABLE: Final = 2
# Exit status when a bug that was put in by its name was not found.
MISSED: Final = 3


@click.command()
@click.option(
    "--target",
    "targets",
    metavar="live|qemu:IMAGE|tree:PATH",
    multiple=True,
    help="Where the calls are really made; may be given several times. Default: live.",
)
@click.option(
    "--kernel",
    metavar="X.Y",
    shell_complete=kernels,
    help="Model this version instead of the target's own.",
)
@click.option("--calls", metavar="N", type=click.IntRange(1), default=CALLS, show_default=True)
@click.option("--seed", metavar="S", type=click.IntRange(0), help="Default: a fresh one.")
@click.option(
    "--profile",
    "profiles",
    metavar="NAME",
    multiple=True,
    type=click.Choice(list(PROFILES)),
    help=f"Kinds of streams, in turn: {', '.join(PROFILES)}. Default: all.",
)
@staffed("share the streams, or the recordings; with --mutant all, look for one bug each")
@answers_in_json("check", "One JSON object a target, on one line.")
@click.option("--corpus", metavar="DIR", type=click.Path(), help="Recordings instead of streams.")
@click.option(
    "--mutant",
    metavar="NAME",
    help="Put a historic bug into the model, to be found; all: each; faults: what it once had.",
)
@click.option(
    "--base",
    metavar="REV",
    help="Of a tree: then compare it with a revision, another tree, or its `last` build.",
)
@click.option(
    "--sanitize", is_flag=True, help="Of a tree: check each access to memory of its code."
)
@click.option(
    "--guided",
    is_flag=True,
    help="Vary what reached a new outcome; it is kept in the cache for the next time.",
)
@click.option("--keep-going", is_flag=True, help="Do not stop at the first difference.")
@click.option(
    "--programs",
    is_flag=True,
    help="Record real programs in each guest of QEMU as well, and replay them.",
)
@click.option(
    "--save",
    "folder",
    metavar="DIR",
    type=click.Path(),
    default=FOLDER,
    show_default=True,
    help="Where findings are saved, each a recording with programs that show it.",
)
@click.pass_context
def check(
    ctx: click.Context,
    targets: tuple[str, ...],
    kernel: str | None,
    calls: int,
    seed: int | None,
    profiles: tuple[str, ...],
    staff: Staff,
    as_json: bool,
    corpus: str | None,
    mutant: str | None,
    base: str | None,
    sanitize: bool,
    guided: bool,
    keep_going: bool,
    programs: bool,
    folder: str,
) -> None:
    """Compare the model with real kernels, call by call and map by map.

    The calls are made on this machine's kernel by a small confined program, in guests of QEMU, or
    by the code of a kernel tree, built for user mode.
    Exit status: 0 when nothing differs, 1 when something does, 2 when a target could not be run or
    a recording not be read, 3 when the bug of --mutant NAME was not found; of --mutant all, faults:
    0 when each was found that can be seen, 1 when one was not.
    """
    if mutant in (ALL, FAULTS) and corpus is not None:
        raise click.UsageError(f"--mutant {mutant} looks in streams: it does not go with --corpus")
    if programs and (mutant or corpus or not any(runs_programs(name) for name in targets)):
        raise click.UsageError("--programs needs --target qemu:IMAGE, and is not for --mutant")
    trees = [name.startswith(TREE) for name in targets or ("live",)]
    if (base is not None and not all(trees)) or (sanitize and not any(trees)):
        raise click.UsageError("--base and --sanitize go with --target tree:PATH")
    if base is not None and mutant is not None:
        raise click.UsageError("--base takes the model's place: it does not go with --mutant")
    if guided and corpus is not None:
        raise click.UsageError("--guided varies streams: it does not go with --corpus")
    leave_in_order()
    chosen = secrets.randbelow(1 << 30) if seed is None else seed
    put_in = "" if mutant in (None, ALL, FAULTS) else known_mutant(mutant)
    drawn = profiles or tuple(PROFILES)
    worst = 0
    for name in targets or ("live",):
        target = name.replace(TREE, SANITIZED, 1) if sanitize and name.startswith(TREE) else name
        workers = staff._replace(mutant=put_in)
        guidance = _guidance(target, mutant) if guided else None
        plan = Plan(
            target, kernel, calls, chosen, drawn, workers, not keep_going, guidance=guidance
        )
        if mutant in (ALL, FAULTS):
            worst = max(worst, check_mutants(plan, sought(mutant, target), folder, as_json))
        else:
            recorded = programs and runs_programs(target)
            worst = max(worst, _one(plan, corpus, folder, as_json, recorded))
            if guidance is not None and mutant is None:
                kept_runs.save(target, guidance)
        if base is not None and worst < UNUSABLE:
            again = replace(plan, base=base)
            worst = max(worst, _one(again, corpus, folder, as_json, False))
    ctx.exit(worst)


def _guidance(target: str, mutant: str | None) -> Guidance:
    """Return what guides the streams: what is kept of a target, nothing where bugs are put in."""
    return Guidance() if mutant is not None else kept_runs.load(target)


def _one(plan: Plan, corpus: str | None, folder: str, as_json: bool, programs: bool) -> int:
    """Check one target: its exit status."""
    latest = Totals()
    count = 0
    with Progress() as progress:
        # What a corpus holds is not known before.
        whole = plan.calls if corpus is None else 0
        progress.begin(plan.target, lambda: latest.calls / whole if whole else None)

        def tell(totals: Totals) -> None:
            nonlocal latest
            latest = totals
            progress.advance(totals.calls, progress_text(totals))

        try:
            with recordings_folder() if programs else nullcontext("") as place:
                # A guest that carries out all streams records the programs too.
                once = plan.staff.jobs == 1 and not plan.staff.cluster
                plan = replace(plan, recordings=place if once else "")
                if corpus is None:
                    found = run_plan(plan, tell)
                else:
                    found = run_corpus(plan, recordings_in(corpus), tell)
                for shrunk in found:
                    progress.clear()
                    _report(shrunk, plan.target, folder, as_json)
                    count += 1
                progress.clear()
                verdicts = list(check_programs(plan, folder, place)) if programs else []
        except VmalabError as error:
            progress.clear()
            complain(f"{plan.target}: {error}")
            return UNUSABLE
        except (KeyboardInterrupt, SystemExit):
            progress.clear()
            complain(f"{plan.target}: {interrupted_text(latest, plan.seed)}")
            raise
    latest.differences = max(latest.differences, count)
    for note in latest.notes:
        complain(f"{plan.target}: {note}")
    missed = bool(plan.staff.mutant) and not latest.differences
    differs = any(not verdict.report.identical for verdict in verdicts)
    if as_json:
        answer = check_answer(plan.target, plan.seed, latest)
        if plan.base:
            answer["base"] = plan.base
        if plan.staff.mutant:
            answer["mutant"] = plan.staff.mutant
        if latest.unread:
            answer["recordings_unread"] = latest.unread
        if programs:
            answer["programs"] = [program_answer(one.name, one.report) for one in verdicts]
        say(answer_json("check", answer))
    else:
        for line in totals_lines(plan.target, latest, plan.base, plan.staff.mutant):
            say(line)
        say(f"  seed {plan.seed}")
        for one in verdicts:
            for line in recorded_program_lines(one.name, one.report, one.saved):
                say(line)
    if latest.unread:
        return UNUSABLE
    if missed:
        return MISSED
    return 1 if latest.differences or differs else 0


def _report(shrunk: Shrunk, target: str, folder: str, as_json: bool) -> None:
    """Show and save a finding; with --json all of it goes to standard error."""
    for line in finding_lines(shrunk, target):
        say(line, err=as_json)
    for line in program_lines(shrunk):
        say(line, err=as_json)
    # Last: it may fail, and must not take with it what was found.
    path = save(shrunk, folder, target)
    say(f"saved: {os.path.join(path, '')}", err=as_json)
