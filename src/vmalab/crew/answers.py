# SPDX-License-Identifier: GPL-2.0-or-later
"""What workers answer, as bytes: pickled values, of which only those of known kinds are made again.

A worker may run on another machine. What it answers is data: nothing that it names is called,
except for the classes of findings and of calls.
"""

import io
import pickle
from dataclasses import dataclass, is_dataclass
from typing import Any, Final

from vmalab.calls.call import restored_call
from vmalab.calls.errors import VmalabError

# Bytes that one answer may have.
MAX_ANSWER: Final = 256 << 20
DONE: Final = "done"
FAILED: Final = "failed"
# Names outside of the package that a value may hold.
_BUILTINS: Final = frozenset((("builtins", "set"), ("builtins", "frozenset")))


@dataclass(frozen=True, slots=True)
class UnitAnswer:
    """What became of one unit. kind: DONE or FAILED. raw: its value, or why it failed."""

    kind: str
    raw: bytes


class BadAnswer(VmalabError):
    """A worker has answered with something that no unit answers."""


class WorkFailed(VmalabError):
    """A worker has met a defect of vmalab; the text says where."""


class _AnswerPickler(pickle.Pickler):
    """Writes values as their classes say, whatever other libraries have agreed on for all pickles.

    Where `distributed` is installed, tblib has exceptions written by functions of its own.
    """

    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer, pickle.HIGHEST_PROTOCOL)
        self.dispatch_table = {}


def _written(value: object) -> bytes:
    buffer = io.BytesIO()
    _AnswerPickler(buffer).dump(value)
    return buffer.getvalue()


def write_answer(value: object) -> UnitAnswer:
    """Return a unit's value as its answer."""
    return UnitAnswer(DONE, _written(value))


def write_failure(error: VmalabError) -> UnitAnswer:
    """Return an error as a unit's answer."""
    return UnitAnswer(FAILED, _written(error))


def read_answer(answer: UnitAnswer) -> Any:
    """Return the value that a unit has answered.

    Errors: the VmalabError with which it has failed; BadAnswer for what no unit answers.
    """
    if len(answer.raw) > MAX_ANSWER:
        raise BadAnswer(f"a worker's answer of {len(answer.raw)} bytes: at most {MAX_ANSWER}")
    try:
        value = _Reader(io.BytesIO(answer.raw)).load()
    except BadAnswer:
        raise
    except Exception as error:
        raise BadAnswer(f"a worker's answer cannot be read: {str(error)[:200]}") from None
    if answer.kind == FAILED:
        raise value if isinstance(value, VmalabError) else BadAnswer("a failure without a reason")
    return value


class _Reader(pickle.Unpickler):
    """Makes plain values, and those of classes that are for values alone."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the class of a value. Errors: BadAnswer for any other name."""
        if (module, name) in _BUILTINS:
            return super().find_class(module, name)
        if module.startswith("vmalab.") and "." not in name:
            found = super().find_class(module, name)
            if _is_value(found):
                return found
        raise BadAnswer(f"a worker's answer names {module[:60]}.{name[:60]}, which is no value")


def _is_value(found: object) -> bool:
    if found is restored_call:
        return True
    if not isinstance(found, type):
        return False
    return (
        is_dataclass(found)
        or (issubclass(found, tuple) and hasattr(found, "_fields"))
        or found.__module__.startswith("vmalab.calls.")
        or issubclass(found, VmalabError)
    )
