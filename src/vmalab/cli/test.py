# SPDX-License-Identifier: GPL-2.0-or-later
"""The verb `test`: run the test cases of the VMA core, or case files of the user's own."""

import time
from collections.abc import Sequence
from pathlib import Path

import click

from vmalab.calls.errors import VmalabError
from vmalab.cli.in_json import answers_in_json
from vmalab.cli.tree_report import Wish, show_on_tree, watch_tree
from vmalab.recording.format.output_file import replace_file
from vmalab.testing.cases.case import Case
from vmalab.testing.cases.parser import parse_file
from vmalab.testing.cases.run_case import Verdict, run_cases
from vmalab.testing.cases.suites import select, shipped_cases
from vmalab.testing.seams.checking import CheckingInternal
from vmalab.testing.seams.rules import checked, load_seam
from vmalab.views.answers.answer import answer_json
from vmalab.views.answers.test import sweep_answer, test_answer
from vmalab.views.ktap import ktap_lines
from vmalab.views.output import say, say_lines


@click.command("test")
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.option("--ktap", "as_ktap", is_flag=True, help="Print KTAP, the kernel's test protocol.")
@click.option(
    "--junit", metavar="FILE", type=click.Path(path_type=Path), help="Write JUnit XML to FILE."
)
@answers_in_json("test")
@click.option("--sweep", "as_sweep", is_flag=True, help="Fail each allocation of each call.")
@click.option(
    "--seam",
    metavar="FILE.py",
    help="Run under the rules of a file: FILE.py, FILE.py:CLASS or MODULE:CLASS.",
)
@click.option("--list", "as_list", is_flag=True, help="List the cases and the laws they state.")
@click.option(
    "--cases",
    "files",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Run the cases of FILE instead of those that come with vmalab; may be given again.",
)
@click.option("--tree", metavar="PATH", help="Run the code of a kernel tree, not the model's.")
@click.option("--base", metavar="REV", help="Of --tree: what differs from a git revision of it.")
@click.option("--sanitize", is_flag=True, help="Of --tree: check each access to memory.")
@click.option(
    "--calls",
    metavar="N",
    type=click.IntRange(1),
    help="Of --tree: compare N random calls as well, as check does.",
)
@click.option("--watch", is_flag=True, help="Of --tree: again whenever one of its files changes.")
def test(
    patterns: tuple[str, ...],
    as_ktap: bool,
    as_json: bool,
    junit: Path | None,
    as_sweep: bool,
    seam: str | None,
    as_list: bool,
    files: tuple[Path, ...],
    tree: str | None,
    base: str | None,
    sanitize: bool,
    calls: int | None,
    watch: bool,
) -> int:
    """Run the unit tests of the VMA core, all or those that a PATTERN selects.

    A PATTERN is a part of suite/name, or a shell pattern of all of it: merge_new, '*/whole_*'.
    With --sweep, each call of the cases and, without a PATTERN, of the call table is made again for
    each of its allocations, which fails.  The exit status is 0 when all passed, 1 when some failed,
    2 when the input cannot be used.
    """
    begin = time.perf_counter()
    if as_json and as_ktap:
        raise click.UsageError("--json and --ktap exclude each other")
    cases = chosen_cases(patterns, files)
    if as_list:
        for case in cases:
            say(f"{case.id}: {case.law}")
        return 0
    if tree is not None:
        if as_sweep or seam is not None or junit is not None:
            raise click.UsageError("--tree goes with --ktap, --json, --cases and patterns only")
        if as_json and (base is not None or watch):
            raise click.UsageError("--json goes with neither --base nor --watch")
        if calls is not None and (as_json or as_ktap or base is not None):
            raise click.UsageError("--calls goes with none of --json, --ktap and --base")
        wish = Wish(tree, cases, calls or 0, sanitize)
        if watch:
            watch_tree(wish)
        return show_on_tree(wish, as_ktap=as_ktap, base=base, as_json=as_json)
    if base is not None or watch or sanitize or calls is not None:
        raise click.UsageError("--base, --calls, --sanitize and --watch go with --tree")
    rules = CheckingInternal if seam is None else checked(load_seam(seam))
    if as_sweep:
        return show_sweep(cases, rules, not patterns and not files, as_json)
    verdicts = run_cases(cases, rules)
    failed = sum(not verdict.passed for verdict in verdicts)
    if junit is not None:
        write_junit(junit, verdicts)
    seconds = time.perf_counter() - begin
    if as_json:
        say(answer_json("test", test_answer("model", verdicts, seconds)))
    elif as_ktap:
        for line in ktap_lines(verdicts):
            say(line)
    else:
        show_failures(verdicts)
        noun = "case" if len(cases) == 1 else "cases"
        say(f"{len(cases)} {noun}, {failed} failed, {seconds:.3f} s")
    return 1 if failed else 0


def chosen_cases(patterns: Sequence[str], files: Sequence[Path]) -> list[Case]:
    """Return the cases that the command line asks for.  VmalabError: there are none."""
    cases = [case for path in files for case in parse_file(path)] if files else shipped_cases()
    selected = select(cases, patterns)
    if not selected:
        hint = " (--cases runs a file)" if any(word.endswith(".vma") for word in patterns) else ""
        wanted = " or ".join(patterns) or "anything: there are none"
        raise VmalabError(f"no case matches {wanted}{hint}")
    return selected


def write_junit(path: Path, verdicts: Sequence[Verdict]) -> None:
    """Write what a build server reads. Errors: UsageError when that cannot be done."""
    from vmalab.views.junit import junit_xml

    replace_file(str(path), junit_xml(verdicts))


def show_sweep(
    cases: Sequence[Case], rules: type[CheckingInternal], table: bool, as_json: bool
) -> int:
    """Sweep cases, and the call table if asked to; print what was found: the exit status."""
    from vmalab.testing.sweep.sweep import sweep_cases, sweep_table

    reports = {"cases": sweep_cases(cases, rules)}
    if table:
        reports["call table"] = sweep_table(rules)
    if as_json:
        say(answer_json("test", sweep_answer(reports)))
        return 1 if any(report.holes for report in reports.values()) else 0
    for name, report in reports.items():
        for hole in report.holes:
            say(hole)
        say(f"{name}: {report.text()}")
    return 1 if any(report.holes for report in reports.values()) else 0


def show_failures(verdicts: Sequence[Verdict]) -> None:
    """Print each failing case with its drawings."""
    for verdict in verdicts:
        if not verdict.passed:
            say_lines(verdict.text())
