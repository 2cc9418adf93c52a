# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading case files: lines with a keyword each, drawings under a ruler, `each` for variants.

The language is described in the manual's page on testing.  Whatever cannot be understood raises
`CaseError`, which names file, line and reason.
"""

import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vmalab.calls.errors import ReadError
from vmalab.linux.include.uapi import errno
from vmalab.testing.cases.case import Case, CaseStep, Setting
from vmalab.testing.cases.kinds import Kind, parse_kind
from vmalab.testing.cases.picture import Boxes, Ruler, parse_boxes, parse_ruler
from vmalab.testing.cases.signatures import parse_call

CACHES: Final = ("vm_area_struct", "maple_node", "anon_vma", "anon_vma_chain", "numa_policy")
COUNTS: Final = (
    *("map_count", "total_vm", "locked_vm", "data_vm", "exec_vm", "stack_vm", "committed"),
)
HEAD: Final = re.compile(r"case\s+([\w]+)\s*:\s*(\S.*)")
LEGEND: Final = re.compile(r"\s*([A-Za-z])\s*=\s*(.*)")
EACH: Final = re.compile(r"\s*each\s+([A-Z]+)\s*:\s*(.*)")
RESULT: Final = re.compile(r"(none|[0-9a-f]+|[0-9a-f]+-[0-9a-f]+|-E[A-Z0-9]+)")
# A file of cases is short; this bounds what a stray one can cost.
MAX_BYTES: Final = 16 << 20
MAX_LINES: Final = 100_000
MAX_VARIANTS: Final = 1000

Line = tuple[int, str]


class CaseError(ReadError):
    """A case file says something that cannot be understood: `file:line: what and why`."""


@dataclass(slots=True)
class Draft:
    """A case while its lines are read."""

    legend: dict[str, Kind]
    settings: list[Setting] = field(default_factory=list)
    ruler: Ruler | None = None
    before: Boxes | None = None
    steps: list[CaseStep] = field(default_factory=list)
    fail: tuple[str, int] | None = None


def parse_file(path: Path, name: str | None = None) -> list[Case]:
    """Read all cases of a file; its suite is called like the file.  CaseError: what is wrong."""
    shown = str(path) if name is None else name
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise CaseError(shown, 0, f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise CaseError(shown, 0, "is not UTF-8 text") from None
    if len(content) > MAX_BYTES:
        raise CaseError(shown, 0, f"is larger than {MAX_BYTES >> 20} MiB: no file of cases")
    return parse_cases(text, shown)


def parse_cases(text: str, path: str) -> list[Case]:
    """Read all cases of a text; `path` is its name in messages.  CaseError: what is wrong."""
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        raise CaseError(path, MAX_LINES, "a case file has fewer lines")
    blocks = blocks_of(lines, path)
    shared = Draft({})
    for number, line in blocks[0]:
        read_line(shared, number, line, path)
    if shared.before is not None or shared.steps or shared.ruler is not None:
        raise CaseError(
            path, blocks[0][0][0], "only letters and settings stand before the first case"
        )
    suite = Path(path).stem
    cases = [case for block in blocks[1:] for case in variants(block, shared, suite, path)]
    seen: set[str] = set()
    for case in cases:
        if case.name in seen:
            raise CaseError(path, case.line, f"there is a case {case.name!r} already")
        seen.add(case.name)
    return cases


def blocks_of(lines: list[str], path: str) -> list[list[Line]]:
    """Return the lines before the first case, and those of each case.

    Without comments and empty lines.
    """
    blocks: list[list[Line]] = [[]]
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            raise CaseError(path, number, "columns matter here: use spaces instead of tabs")
        if line.startswith("case"):
            blocks.append([])
        if line.strip() and not line.lstrip().startswith("#"):
            blocks[-1].append((number, line.rstrip()))
    return blocks


def variants(block: list[Line], shared: Draft, suite: str, path: str) -> list[Case]:
    """Return the cases that one block makes: several when it has `each` lines."""
    names: list[str] = []
    choices: list[list[str]] = []
    rest: list[Line] = []
    for number, line in block:
        if match := EACH.fullmatch(line):
            names.append(match[1])
            choices.append([word.replace("_", " ") for word in match[2].split()])
        else:
            rest.append((number, line))
    if any(not values for values in choices):
        raise CaseError(path, block[0][0], "each needs at least one value")
    combinations = list(itertools.islice(itertools.product(*choices), MAX_VARIANTS))
    cases = []
    for values in combinations:
        lines = rest
        for name, value in zip(names, values, strict=True):
            lines = [(number, line.replace(f"${name}", value)) for number, line in lines]
        suffix = ",".join(value.replace(" ", "_") for value in values)
        cases.append(parse_case(lines, shared, suite, path, f"[{suffix}]" if names else ""))
    return cases


def parse_case(block: list[Line], shared: Draft, suite: str, path: str, suffix: str) -> Case:
    """Read one case from its lines."""
    number, head = block[0]
    match = HEAD.fullmatch(head)
    if not match:
        raise CaseError(path, number, "a case opens with `case name: the law it states`")
    draft = Draft(dict(shared.legend), list(shared.settings))
    for at, line in block[1:]:
        read_line(draft, at, line, path)
    if draft.before is None or not draft.steps:
        raise CaseError(path, number, "a case has a `before` and a `call`")
    if draft.fail is not None:
        raise CaseError(path, number, "`fail` stands above the call that it is for")
    name, law = match.groups()
    case = Case(
        *(suite, name + suffix, law, path, number),
        *(draft.legend, tuple(draft.settings), draft.before, tuple(draft.steps)),
    )
    for letter in case.letters():
        if letter not in draft.legend:
            raise CaseError(path, number, f"nothing says what {letter} stands for")
    return case


def read_line(draft: Draft, number: int, line: str, path: str) -> None:
    """Take one line into the draft.  CaseError: why not."""
    try:
        if match := LEGEND.fullmatch(line):
            draft.legend[match[1]] = parse_kind(match[2])
            return
        keyword = line.split()[0]
        begin = line.index(keyword) + len(keyword)
        if keyword in ("before", "after"):
            read_picture(draft, keyword, line, begin)
        elif keyword == "pages":
            draft.ruler = parse_ruler(line, begin)
        elif keyword in ("set", "file", "crowd", "trees"):
            draft.settings.append(tuple(line.split()))
        elif keyword == "fail":
            draft.fail = parse_fail(line.split()[1:])
        elif keyword == "call":
            read_call(draft, number, line[begin:].strip())
        elif keyword in ("count", "log"):
            read_expectation(draft, keyword, line[begin:].strip())
        else:
            raise ValueError(f"{keyword!r} opens no line that is known")
    except ValueError as error:
        raise CaseError(path, number, str(error)) from None


def read_picture(draft: Draft, keyword: str, line: str, begin: int) -> None:
    """Take a `before` or `after` line."""
    if draft.ruler is None:
        raise ValueError("a drawing needs a ruler (`pages`) above it")
    boxes = parse_boxes(line, begin, draft.ruler)
    if keyword == "before":
        if draft.before is not None or draft.steps:
            raise ValueError("there is one `before`, above all calls")
        draft.before = boxes
        return
    replace_last(draft, keyword, after=boxes)


def read_call(draft: Draft, number: int, text: str) -> None:
    """Take a `call` line."""
    if draft.before is None:
        raise ValueError("a call needs a `before` above it")
    call, arrow, result = text.partition("->")
    result = result.strip()
    if arrow and not RESULT.fullmatch(result):
        raise ValueError(f"a result is a page, a range, none, 0 or -ENAME, not {result!r}")
    if result.startswith("-") and not hasattr(errno, result[1:]):
        raise ValueError(f"{result[1:]} is no errno")
    parsed = parse_call(call.strip())
    draft.steps.append(CaseStep(number, parsed, draft.fail, result if arrow else None))
    draft.fail = None


def read_expectation(draft: Draft, keyword: str, text: str) -> None:
    """Take a `count` or `log` line, which belongs to the call above it."""
    parts = [" ".join(part.split()) for part in text.split(",")]
    if keyword == "log":
        replace_last(draft, keyword, log=() if parts == ["nothing"] else tuple(parts))
        return
    counts: dict[str, int] = {}
    for part in parts:
        name, _, value = part.partition(" ")
        if name not in COUNTS or not value.isdecimal():
            raise ValueError(f"a count is one of {', '.join(COUNTS)} and a number, not {part!r}")
        counts[name] = int(value)
    replace_last(draft, keyword, counts=counts)


def replace_last(
    draft: Draft,
    keyword: str,
    after: Boxes | None = None,
    counts: dict[str, int] | None = None,
    log: tuple[str, ...] | None = None,
) -> None:
    """Add an expectation to the last call."""
    if not draft.steps:
        raise ValueError(f"`{keyword}` stands below the call that it is about")
    last = draft.steps[-1]
    draft.steps[-1] = CaseStep(
        *(last.line, last.call, last.fail, last.result),
        last.after if after is None else after,
        last.counts if counts is None else counts,
        last.log if log is None else log,
    )


def parse_fail(words: list[str]) -> tuple[str, int]:
    """Return the slab cache and the number of the allocation that a `fail` line names."""
    if len(words) != 2 or words[0] not in CACHES or not words[1].isdecimal() or words[1] == "0":
        raise ValueError(f"`fail` takes one of {', '.join(CACHES)} and a number from 1")
    return words[0], int(words[1])
