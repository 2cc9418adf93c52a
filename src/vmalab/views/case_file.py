# SPDX-License-Identifier: GPL-2.0-or-later
"""A finding as a test case: the layout before its last call, that call, the model's layout after.

The layout is the model's, for a map does not show which pages were written to. What is written was
run: a case that the model itself would not pass is none.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.errors import VmalabError
from vmalab.check.finding import MODEL
from vmalab.check.piece import Shrunk
from vmalab.check.twin import Twin
from vmalab.linux.include.mm_flags import VM_SOFTDIRTY
from vmalab.linux.include.page import PAGE_SHIFT, PAGE_SIZE, TASK_SIZE_MAX
from vmalab.linux.include.uapi.mman import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_GROWSDOWN,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_STACK,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from vmalab.linux.types.mm_types import AnonVma, Vma
from vmalab.recording.format.meta import parse_meta
from vmalab.recording.readers.maps import parse_smaps
from vmalab.testing.cases.kinds import Kind, first_pgoff, parse_kind
from vmalab.testing.cases.named_calls import ADVICE, SYSCALLS
from vmalab.testing.cases.operations import ERRNO_NAMES
from vmalab.testing.cases.parser import parse_cases
from vmalab.testing.cases.picture import Box, draw
from vmalab.testing.cases.run_case import run_case

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MAP_FLAGS: Final = (
    MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE | MAP_SHARED | MAP_GROWSDOWN | MAP_LOCKED
)
Span = tuple[int, int]


@final
class _Legend:
    """Letters for VMAs: one for those with the same properties whose offsets go on."""

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}
        self._letters: dict[tuple[Kind, int], str] = {}
        self._files: list[object] = []
        self._anon_vmas: list[AnonVma] = []

    def letter(self, vma: Vma) -> str:
        """Return the letter of a VMA, a new one if there is none. Errors: _NoCase."""
        start = int(vma.vm_start >> PAGE_SHIFT)
        key = (self._kind(vma), int(vma.vm_pgoff) - start)
        return self.letter_of(key[0], start, int(vma.vm_pgoff))

    def letter_of(self, kind: Kind, start: int, pgoff: int) -> str:
        """Return the letter of a kind with a page offset at a page."""
        key = (kind, pgoff - start)
        if key not in self._letters:
            if len(self._letters) == len(_LETTERS):
                raise _NoCase
            usual = first_pgoff(kind, start)
            letter = self._letters[key] = _LETTERS[len(self._letters)]
            self.kinds[letter] = kind if pgoff == usual else replace(kind, pgoff=pgoff)
        return self._letters[key]

    def _kind(self, vma: Vma) -> Kind:
        if vma.vm_userfaultfd_ctx is not None or vma.vm_policy is not None:
            raise _NoCase
        links = [link.anon_vma for link in vma.anon_vma_chain]
        own = vma.anon_vma
        ordered = [] if own is None else [own, *(one for one in links if one is not own)]
        chain = tuple(f"a{_index(self._anon_vmas, one) + 1}" for one in ordered)
        file = "" if vma.vm_file is None else f"f{_index(self._files, vma.vm_file) + 1}"
        name = re.sub(r"[^\w./#-]", "_", vma.anon_name or "")
        ops = vma.vm_ops is not None
        return Kind(int(vma.vm_flags & ~VM_SOFTDIRTY), file, None, chain, name=name, ops=ops)


class _NoCase(VmalabError):
    """There are no words for it."""


def _index(known: list, one: object) -> int:  # type: ignore[type-arg]
    for index, other in enumerate(known):
        if other is one:
            return index
    known.append(one)
    return len(known) - 1


def case_text(shrunk: Shrunk) -> str:
    """Return a case file with the finding, "" where the language of cases has no words for it."""
    difference = shrunk.finding.difference
    if difference.kind == MODEL or difference.last.name not in SYSCALLS:
        return ""
    try:
        text = _Writer(shrunk).text()
        (case,) = parse_cases(text, "finding.vma")
        return text if run_case(case).passed else ""
    except (_NoCase, VmalabError, ValueError):
        return ""


@final
class _Writer:
    """The model led to the last call, and what it does there."""

    def __init__(self, shrunk: Shrunk) -> None:
        transcript = shrunk.transcript
        meta = parse_meta(json.dumps(transcript.meta).encode(), "meta.json")
        self._twin = Twin(meta, shrunk.version, parse_smaps(transcript.first))
        self._shrunk = shrunk
        self._legend = _Legend()

    def text(self) -> str:
        """Return the case. Errors: _NoCase, CannotStart."""
        *calls, last = self._shrunk.finding.difference.calls
        twin = self._twin
        try:
            for call in calls:
                twin.apply(call)
            spans = _spans(last)
            before = [vma for vma in twin.vmas() if _touches(vma, spans)]
            spans += [(int(vma.vm_start), int(vma.vm_end)) for vma in before]
            boxes = self._boxes(before)
            result = twin.apply(last)
            words = self._call(last, result)
            after = self._boxes(vma for vma in twin.vmas() if _overlaps(vma, spans))
        finally:
            twin.close()
        ruler, one, *two = draw([("before", boxes), ("after", after)])
        finding = self._shrunk.finding
        lines = [
            f"case stream_{finding.seed}: as the model of {self._shrunk.version} has it",
            f"  set kernel {self._shrunk.version}",
            *(f"  {letter} = {kind.text()}" for letter, kind in self._legend.kinds.items()),
            ruler,
            one,
            f"  call      {words}",
            *two,
        ]
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def _boxes(self, vmas: Iterable[Vma]) -> list[Box]:
        return [
            Box(
                int(vma.vm_start >> PAGE_SHIFT),
                int(vma.vm_end >> PAGE_SHIFT),
                self._legend.letter(vma),
            )
            for vma in vmas
        ]

    def _call(self, call: Call, result: int) -> str:
        """Return a call with its answer, in the words of cases."""
        start, length = call.args[0], call.args[1]
        if start % PAGE_SIZE or not length or length % PAGE_SIZE or start + length > TASK_SIZE_MAX:
            raise _NoCase
        name = call.name
        if name == "mmap" and call.args[3] & ~_MAP_FLAGS:
            # It has no words for other flags; the core's function takes what they come to.
            name = "mmap_region"
        words = f"{name} {start >> PAGE_SHIFT:x}-{(start + length) >> PAGE_SHIFT:x}"
        if call.name == "mmap":
            words += " " + self._mapped(call)
        elif call.name == "mprotect":
            words += " " + self._legend.letter_of(_kind_of_prot(call.args[2], 0), 0, 0)
        elif call.name == "madvise":
            words += " " + _advice(call.args[2])
        elif call.name == "mremap":
            words += _move(call)
        if result < 0:
            return f"{words} -> -{ERRNO_NAMES[-result]}"
        return words

    def _mapped(self, call: Call) -> str:
        """Return the letter of what an mmap maps."""
        prot, flags, pages = call.args[2], call.args[3], call.args[0] >> PAGE_SHIFT
        known = flags & ~(_MAP_FLAGS | MAP_NORESERVE | MAP_STACK) == 0
        if not (known and flags & MAP_FIXED and flags & MAP_ANONYMOUS):
            raise _NoCase
        kind = _kind_of_prot(prot, flags)
        shared = flags & MAP_SHARED
        return self._legend.letter_of(kind, pages, 0 if shared else pages)


def _kind_of_prot(prot: int, flags: int) -> Kind:
    letters = "".join(
        letter if prot & bit else "-" for letter, bit in zip("rwx", (1, 2, 4), strict=True)
    )
    words = [letters + ("s" if flags & MAP_SHARED else "p")]
    words += ["gd"] if flags & MAP_GROWSDOWN else []
    words += ["lo"] if flags & MAP_LOCKED else []
    words += ["nr"] if flags & MAP_NORESERVE else []
    return replace(parse_kind(" ".join(words)), pgoff=None)


def _advice(number: int) -> str:
    for name, value in ADVICE.items():
        if value == number:
            return name
    raise _NoCase


def _move(call: Call) -> str:
    """Return the rest of a mremap's words."""
    old, new, flags, target = call.args[1:5]
    if flags & MREMAP_FIXED:
        if old != new or target % PAGE_SIZE:
            raise _NoCase
        return f" to {target >> PAGE_SHIFT:x}" + (" dontunmap" * bool(flags & MREMAP_DONTUNMAP))
    if new % PAGE_SIZE or flags & ~MREMAP_MAYMOVE:
        raise _NoCase
    return f" sized {new >> PAGE_SHIFT}" + (" maymove" * bool(flags))


def _spans(call: Call) -> list[Span]:
    """Return the ranges that a call names, in bytes."""
    start, length = call.args[0], call.args[1]
    spans = [(start, start + length)]
    if call.name == "mremap":
        spans.append((start, start + max(length, call.args[2])))
        if call.args[3] & MREMAP_FIXED:
            spans.append((call.args[4], call.args[4] + call.args[2]))
    return spans


def _touches(vma: Vma, spans: Sequence[Span]) -> bool:
    return any(vma.vm_start <= end and start <= vma.vm_end for start, end in spans)


def _overlaps(vma: Vma, spans: Sequence[Span]) -> bool:
    return any(vma.vm_start < end and start < vma.vm_end for start, end in spans)
