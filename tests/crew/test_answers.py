# SPDX-License-Identifier: GPL-2.0-or-later
"""Workers' answers: values come back as they were, and nothing that an answer names is called."""

import copyreg
import os
import pickle
import subprocess

import pytest

from vmalab.calls.call import Call
from vmalab.calls.errors import ReadError
from vmalab.crew import answers
from vmalab.crew.answers import (
    DONE,
    FAILED,
    BadAnswer,
    UnitAnswer,
    read_answer,
    write_answer,
    write_failure,
)
from vmalab.crew.staff import Staff
from vmalab.explain.why.boundaries import Holes


class Calling:
    """Pickled, it asks its reader to call something."""

    def __init__(self, *what: object) -> None:
        self._what = what

    def __reduce__(self) -> tuple[object, ...]:
        return self._what[0], self._what[1:]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param([1, "two", {3: (None, True, 4.5, b"6")}], id="plain"),
        pytest.param({frozenset((1, 2)): {3}}, id="sets"),
        pytest.param(Staff(2, "tcp://there"), id="named-tuple"),
        pytest.param(Holes(1, 2, 3), id="dataclass"),
    ],
)
def test_a_value_comes_back(value: object) -> None:
    assert read_answer(write_answer(value)) == value


def test_a_call_comes_back() -> None:
    call = Call(7, "munmap", (4096, 4096, 0, 0, 0, 0))
    assert repr(read_answer(write_answer(call))) == repr(call)


def test_what_others_agree_on_for_all_pickles_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(copyreg.dispatch_table, ReadError, lambda error: (print, ("called",)))
    with pytest.raises(ReadError, match=r"^log:3: why"):
        read_answer(write_failure(ReadError("log", 3, "why")))


def test_a_failure_is_raised() -> None:
    with pytest.raises(ReadError, match=r"^log:3: why"):
        read_answer(write_failure(ReadError("log", 3, "why")))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(Calling(os.system, "exit 1"), id="system"),
        pytest.param(Calling(eval, "1"), id="eval"),
        pytest.param(Calling(getattr, "text", "join"), id="getattr"),
        pytest.param(Calling(subprocess.Popen, "true"), id="class"),
        pytest.param(pickle.loads, id="loads"),
        pytest.param(answers.read_answer, id="function-of-the-package"),
    ],
)
def test_what_no_value_is_made_of_is_refused(value: object) -> None:
    with pytest.raises(BadAnswer, match="which is no value"):
        read_answer(write_answer(value))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x80\x04nonsense", id="nonsense"),
        pytest.param(b"cvmalab.crew.answers\nos.system\n.", id="dotted"),
        pytest.param(b"\x80\x05\x96\xff\xff\xff\xff\xff\xff\xff\x7f.", id="huge"),
    ],
)
def test_what_is_no_answer_is_refused(raw: bytes) -> None:
    with pytest.raises(BadAnswer):
        read_answer(UnitAnswer(DONE, raw))


def test_a_failure_without_an_error_is_refused() -> None:
    with pytest.raises(BadAnswer, match="without a reason"):
        read_answer(UnitAnswer(FAILED, write_answer(1).raw))
