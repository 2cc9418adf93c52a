# SPDX-License-Identifier: GPL-2.0-or-later
"""The answers in JSON that there are, their versions, and how one is written as a line.

An answer is a value of one of the classes that `ANSWERS` names: a TypedDict, in which dataclasses
of the findings may stand as they are. Its schema is made from the same classes (`schema.py`).
"""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Final

# verb -> its version, and the forms its answers may have: module in this package, and class there.
# A version grows when a field goes, or changes its type or its meaning; not when one comes.
ANSWERS: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    "bench": (1, ("bench.BenchAnswer",)),
    "blame": (1, ("blame.BlameAnswer",)),
    "check": (1, ("check.CheckAnswer", "check.HuntAnswer")),
    "diff": (1, ("diff.DiffAnswer",)),
    "diff-kernels": (1, ("diff_kernels.PartingAnswer",)),
    "doctor": (1, ("doctor.DoctorAnswer",)),
    "enomem": (1, ("enomem.EnomemAnswer", "enomem.LimitsAnswer", "enomem.SavedLimitsAnswer")),
    "fleet": (1, ("fleet.FleetAnswer",)),
    "mutants": (1, ("mutants.MutantsAnswer",)),
    "place": (1, ("place.PlaceAnswer",)),
    "record": (1, ("record.RecordAnswer",)),
    "replay": (1, ("replay.ReplayAnswer", "on_tree.OnTreeAnswer")),
    "snapshot": (1, ("record.SnapshotAnswer",)),
    "test": (1, ("test.TestAnswer", "test.SweepAnswer")),
    "top": (1, ("top.TopAnswer",)),
    "whatif": (1, ("whatif.WhatIfAnswer", "on_tree.WhatIfOnTreeAnswer")),
    "why": (1, ("why.WhyAnswer", "why.ProcessesAnswer")),
}


def forms_of(verb: str) -> tuple[type, ...]:
    """Return the classes of a verb's answers."""
    found = []
    for place in ANSWERS[verb][1]:
        module, name = place.split(".")
        found.append(getattr(import_module(f"vmalab.views.answers.{module}"), name))
    return tuple(found)


def answer_json(verb: str, answer: Mapping[str, object]) -> str:
    """Return an answer of a verb as one line of JSON, headed by the verb and the version."""
    return json_text({"schema": verb, "version": ANSWERS[verb][0], **answer})


def json_text(value: object) -> str:
    """Write a value as one line of JSON, all of it ASCII that prints."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, default=_plain)
    return text.replace("\x7f", "\\u007f")


def _plain(value: object) -> object:
    """Return a dataclass as an object, any set as a sorted list."""
    if is_dataclass(value):
        return {part.name: getattr(value, part.name) for part in fields(value)}
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not for JSON")
