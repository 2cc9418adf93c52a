# SPDX-License-Identifier: GPL-2.0-or-later
"""An error of a reader says where and why, on one line."""

import pickle

from vmalab.calls.errors import ReadError, VmalabError


def test_read_error_names_file_line_and_reason() -> None:
    assert str(ReadError("a/b.smaps", 7, "not a field")) == "a/b.smaps:7: not a field"
    assert str(ReadError("a/meta.json", 0, "no JSON")) == "a/meta.json: no JSON"


def test_read_error_is_a_vmalab_error_and_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(ReadError("a", 1, "why")))
    assert isinstance(error, VmalabError)
    assert (error.path, error.line, error.why) == ("a", 1, "why")
