# SPDX-License-Identifier: GPL-2.0-or-later
"""A test case: the layout before, the calls, and what they must answer and leave.

A `Case` is what a case file says, parsed but not run; `text()` writes it out again, drawn afresh.
"""

from dataclasses import dataclass, field

from vmalab.testing.cases.kinds import Kind
from vmalab.testing.cases.picture import Boxes, draw

Setting = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaseCall:
    """One `call` line: an operation of the VMA core and its arguments.

    start, end, page: page numbers; vma: a page inside the VMA that is meant; letter: the kind;
    count: a number; words: options given, with their numbers (0 for those that take none).
    """

    text: str
    name: str
    start: int = 0
    end: int = 0
    page: int = 0
    vma: int = 0
    count: int = 0
    letter: str = ""
    words: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CaseStep:
    """One call and what is expected of it.

    line: where the call stands; fail: the slab cache and which allocation from it (from 1) fails;
    result: None for "it succeeds"; after: None for "nothing changed"; counts: counters by name, in
    pages; log: what owners were told, None when that does not matter.
    """

    line: int
    call: CaseCall
    fail: tuple[str, int] | None = None
    result: str | None = None
    after: Boxes | None = None
    counts: dict[str, int] = field(default_factory=dict)
    log: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case: its name, the law it states, and its steps.

    path, line: where it stands; legend: kinds by letter; settings: `set`, `file` and `crowd` lines
    as words; before: the layout to start from.
    """

    suite: str
    name: str
    law: str
    path: str
    line: int
    legend: dict[str, Kind]
    settings: tuple[Setting, ...]
    before: Boxes
    steps: tuple[CaseStep, ...]

    @property
    def id(self) -> str:
        """The name that selects this case: suite/name."""
        return f"{self.suite}/{self.name}"

    def letters(self) -> list[str]:
        """Return the letters that the case uses, in the order of first use."""
        used = [box.letter for box in self.before]
        for step in self.steps:
            used += [step.call.letter] if step.call.letter else []
            used += [box.letter for box in step.after or ()]
        return list(dict.fromkeys(used))

    def text(self) -> str:
        """Return the case as a case file says it, with all its drawings under one ruler."""
        lines = [f"case {self.name}: {self.law}"]
        lines += [f"  {letter} = {self.legend[letter].text()}" for letter in self.letters()]
        lines += ["  " + " ".join(words) for words in self.settings]
        rows = [("before", self.before)]
        rows += [("after", step.after) for step in self.steps if step.after is not None]
        drawn = draw(rows)
        lines += drawn[:2]
        pictures = iter(drawn[2:])
        for step in self.steps:
            lines += step_lines(step)
            lines += [next(pictures)] if step.after is not None else []
            if step.counts:
                counts = ", ".join(f"{name} {value}" for name, value in step.counts.items())
                lines.append(f"  count     {counts}")
            if step.log is not None:
                lines.append(f"  log       {', '.join(step.log) or 'nothing'}")
        return "\n".join(lines) + "\n"


def step_lines(step: CaseStep) -> list[str]:
    """Return the lines of a step up to its picture."""
    lines = [f"  fail      {step.fail[0]} {step.fail[1]}"] if step.fail else []
    answer = f" -> {step.result}" if step.result is not None else ""
    return [*lines, f"  call      {step.call.text}{answer}"]
