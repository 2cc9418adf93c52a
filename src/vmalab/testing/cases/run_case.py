# SPDX-License-Identifier: GPL-2.0-or-later
"""Running cases: each in an address space of its own, checked after every step and in the end."""

import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from vmalab.linux.lib.slab import FailCache, FailNth
from vmalab.linux.types.kernel_state import KernelState
from vmalab.testing.cases.arrangements import apply_setting, build_crowd
from vmalab.testing.cases.audit import audit, audit_changes, audit_end, ranges
from vmalab.testing.cases.case import Case, CaseStep
from vmalab.testing.cases.leaks import counters
from vmalab.testing.cases.operations import OPERATIONS, WrongCall
from vmalab.testing.cases.show import show_layouts
from vmalab.testing.cases.workbench import Bench
from vmalab.testing.seams.checking import CheckingInternal


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one case: passed when there are no problems.

    problems: sentences; pictures: lines that show what was expected and what was found; seconds:
    how long it took.
    """

    case: Case
    problems: tuple[str, ...]
    pictures: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether everything was as the case says."""
        return not self.problems

    def text(self) -> str:
        """Return the failure for a person: where, the case, what is wrong, and both layouts."""
        case = self.case
        lines = [f"{case.path}:{case.line}: {case.id} failed"]
        lines += [f"  {problem}" for problem in self.problems]
        lines += ["", *("  " + line if line else "" for line in case.text().splitlines())]
        return "\n".join([*lines, *self.pictures]) + "\n"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A case that cannot be run where it was to be, and the reason."""

    case: Case
    reason: str


Outcome = Verdict | Skipped


class Failure(Exception):
    """The case did not go as it says; ends its run."""

    def __init__(self, problems: list[str], pictures: list[str] | None = None) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        self.pictures = pictures or []


def run_case(
    case: Case, seam: Callable[[KernelState], CheckingInternal] = CheckingInternal
) -> Verdict:
    """Run one case from its layout before to an empty address space.

    seam: makes the seam of the address space; a subclass of `CheckingInternal` changes the rules.
    """
    begin = time.perf_counter()
    problems: list[str] = []
    pictures: list[str] = []
    bench = Bench(case.legend, seam)
    try:
        set_up(bench, case)
        for number, step in enumerate(case.steps):
            run_step(bench, step, f"call {number + 1}" if len(case.steps) > 1 else "call")
        bench.tear_down()
        problems = audit_end(bench)
    except Failure as failure:
        problems, pictures = failure.problems, failure.pictures
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError) as error:
        problems = [engine_failed(error)]
    return Verdict(case, tuple(problems), tuple(pictures), time.perf_counter() - begin)


def run_cases(
    cases: Iterable[Case], seam: Callable[[KernelState], CheckingInternal] = CheckingInternal
) -> list[Verdict]:
    """Run cases in their order, each with a seam of its own."""
    return [run_case(case, seam) for case in cases]


def set_up(bench: Bench, case: Case) -> None:
    """Arrange the case's settings and build its layout.  Failure: the case makes no sense."""
    try:
        for words in case.settings:
            apply_setting(bench, words)
        bench.seam.adjust()
        build_crowd(bench)
        bench.build(case.before)
    except ValueError as error:
        raise Failure([f"the case cannot be set up: {error}"]) from None
    found = audit(bench)
    if found:
        raise Failure([f"the layout before is broken: {problem}" for problem in found])


def run_step(bench: Bench, step: CaseStep, what: str) -> None:
    """Make one call and compare everything with what is expected.  Failure: what differs."""
    before, expected = ranges(bench), bench.regions()
    bench.log.clear()
    bench.begin_call()
    result, problems = call(bench, step)
    problems += wrong_result(step, result)
    if step.after is not None:
        expected = bench.expected(step.after)
        bench.adopt_names(expected)
    actual = bench.regions()
    pictures: list[str] = []
    if actual != expected:
        problems.append("the layout is not as expected")
        pictures = show_layouts(bench.legend, bench.deltas, expected, actual)
    problems += wrong_counts(bench, step)
    if step.log is not None and step.log != tuple(bench.log):
        problems.append(f"owners were told: {', '.join(bench.log) or 'nothing'}")
    problems += audit(bench)
    problems += audit_changes(before, bench)
    if problems:
        where = f"line {step.line}, {what}: "
        raise Failure([where + problem for problem in problems], pictures)


def call(bench: Bench, step: CaseStep) -> tuple[str, list[str]]:
    """Make the call with its arranged failure: the answer, and what went wrong with the case."""
    fault = FailNth(step.fail[1]) if step.fail else None
    if step.fail and fault:
        bench.kernel.set_fault(FailCache(step.fail[0], fault))
    try:
        result = OPERATIONS[step.call.name](bench, step.call)
    except WrongCall as error:
        raise Failure([f"line {step.line}: the call cannot be made: {error}"]) from None
    finally:
        bench.kernel.set_fault(None)
    if step.fail and fault is not None and fault.nr_seen < step.fail[1]:
        name, nth = step.fail
        return result, [f"allocation {nth} of {name} was to fail, there were {fault.nr_seen}"]
    return result, []


def wrong_result(step: CaseStep, result: str) -> list[str]:
    """Return a sentence when the answer is not the expected one.

    Without one, success is expected.
    """
    if step.result is not None:
        if result == step.result:
            return []
        return [f"{step.call.text} answered {result}, not {step.result}"]
    is_mapping = step.call.name in ("mmap_region", "mmap")
    wanted = f"{step.call.start:x}" if is_mapping else result
    if result.startswith("-E") or result == "none" or result != wanted:
        return [f"{step.call.text} answered {result}"]
    return []


def wrong_counts(bench: Bench, step: CaseStep) -> list[str]:
    """Sentences for the counters that are not what the step says."""
    counts = counters(bench.mm)
    return [
        f"{name} is {counts[name]}, not {wanted}"
        for name, wanted in step.counts.items()
        if counts[name] != wanted
    ]


def engine_failed(error: Exception) -> str:
    """Return an exception out of the engine as one sentence with its place."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    place = f" in {last.name} ({last.filename.rsplit('/', 1)[-1]}:{last.lineno})" if last else ""
    return f"the engine raised {type(error).__name__}{place}: {error}"
