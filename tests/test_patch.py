# SPDX-License-Identifier: GPL-2.0-or-later
"""A unified diff applies exactly or not at all, and what is wrong with it is said with its line."""

import pytest

from vmalab.patch import PatchError, apply, parse

TEXT = "one\ntwo\nthree\nfour\nfive\n"
HEAD = "Effect: what a process\n  sees of it\nVersions: 6.1 - 6.3\n"
DIFF = HEAD + "--- a.py\n+++ a.py\n@@ -2,3 +2,3 @@ one\n two\n-three\n+THREE\n four\n"


def test_the_head_is_read_with_folded_lines() -> None:
    assert parse(DIFF, "x.diff").head == {
        "Effect": "what a process sees of it",
        "Versions": "6.1 - 6.3",
    }


def test_a_hunk_replaces_its_lines() -> None:
    assert apply(parse(DIFF, "x.diff"), "a.py", TEXT) == TEXT.replace("three", "THREE")


def test_a_hunk_finds_lines_that_moved() -> None:
    text = "zero\n" * 7 + TEXT
    assert apply(parse(DIFF, "x.diff"), "a.py", text) == text.replace("three", "THREE")


def test_an_empty_line_is_an_empty_line_of_context() -> None:
    diff = "--- a.py\n+++ a.py\n@@ -1,3 +1,2 @@\n one\n\n-two\n"
    assert apply(parse(diff, "x.diff"), "a.py", "one\n\ntwo\n") == "one\n\n"


def test_later_hunks_follow_what_earlier_ones_moved() -> None:
    diff = (
        "--- a.py\n+++ a.py\n@@ -1 +1,3 @@\n+zero\n+half\n same\n@@ -2,2 +4 @@\n-same\n same\n"
        "--- b.py\n+++ b.py\n@@ -1 +1 @@\n-b\n+c\n"
    )
    patch = parse(diff, "x.diff")
    assert apply(patch, "a.py", "same\n" * 5) == "zero\nhalf\n" + "same\n" * 4
    assert apply(patch, "b.py", "b") == "c"


def test_the_line_that_is_named_wins_among_equal_places() -> None:
    diff = "--- a.py\n+++ a.py\n@@ -3 +3 @@\n-same\n+other\n"
    assert apply(parse(diff, "x.diff"), "a.py", "same\nsame\nsame\n") == "same\nsame\nother\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (TEXT.replace("two", "2"), "x.diff:6: hunk 1 does not apply to a.py"),
        (TEXT.replace("four", "four "), "x.diff:6: hunk 1 does not apply to a.py"),
        ("", "x.diff:6: hunk 1 does not apply to a.py"),
        ("0\n" + TEXT + TEXT, "x.diff:6: hunk 1 fits 2 places of a.py"),
    ],
    ids=["other", "blank", "empty", "twice"],
)
def test_context_must_fit_exactly_and_once(text: str, why: str) -> None:
    with pytest.raises(PatchError) as found:
        apply(parse(DIFF, "x.diff"), "a.py", text)
    assert str(found.value) == why


@pytest.mark.parametrize(
    ("diff", "why"),
    [
        ("", "x.diff:0: the diff changes no file"),
        (HEAD, "x.diff:3: the diff changes no file"),
        ("effect: x\n", "x.diff:1: neither a new `Key: value` nor a diff of a file"),
        (" folded\n", "x.diff:1: neither a new `Key: value` nor a diff of a file"),
        ("A: x\nA: y\n", "x.diff:2: neither a new `Key: value` nor a diff of a file"),
        ("--- a.py\n+++ b.py\n", "x.diff:2: `+++ a.py` is missing"),
        ("--- a.py\n+++ a.py\n", "x.diff:1: no hunk for a.py follows"),
        (
            "--- a.py\n+++ a.py\n-x\n",
            "x.diff:3: a hunk (`@@ -LINE,COUNT +LINE,COUNT @@`) is missing",
        ),
        (DIFF + "+more\n", "x.diff:11: a hunk (`@@ -LINE,COUNT +LINE,COUNT @@`) is missing"),
        (
            DIFF.removesuffix(" four\n"),
            "x.diff:6: the hunk promises 3 old and 3 new lines, it has 2 and 2",
        ),
        (
            "--- a.py\n+++ a.py\n@@ -1 +1 @@\n\\ No newline at end of file\n",
            "x.diff:3: the hunk promises 1 old and 1 new lines, it has 0 and 0",
        ),
        ("--- a.py\n+++ a.py\n@@ -1 +1 @@\n a\n", "x.diff:3: the hunk changes nothing"),
    ],
    ids=lambda text: text if text.startswith("x.diff") else "",
)
def test_what_is_wrong_with_a_diff_is_said_with_its_line(diff: str, why: str) -> None:
    with pytest.raises(PatchError) as found:
        parse(diff, "x.diff")
    assert str(found.value) == why
