# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual's page on the calls is complete, and each call's errors are asked for by some test."""

import ast
from pathlib import Path

import pytest

from vmalab.linux.arch.x86.entry.syscalls.table import SYSCALLS
from vmalab.linux.include.uapi import errno
from vmalab.testing.sweep.call_rows import CALLS
from vmalab.testing.sweep.call_surface import complaints, group_of, page

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "reference" / "calls.md"

# Calls that cannot fail, or that share their handler with one that is tested.
NO_ERRORS = {
    "brk": "answers the old break instead",
    "exit": "does not return",
    "exit_group": "does not return",
    "munlockall": "always succeeds",
    "personality": "always succeeds",
}


def strings(node: ast.AST) -> set[str]:
    """The texts in a piece of source that name a call."""
    return {
        one.value
        for one in ast.walk(node)
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value in SYSCALLS
    }


def names(node: ast.AST) -> set[str]:
    """The names that a piece of source uses, those of its arguments (fixtures) included."""
    found = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
    return found | {one.arg for one in ast.walk(node) if isinstance(one, ast.arg)}


def tells_of_an_error(node: ast.AST) -> bool:
    """Whether a piece of source has a negated errno."""
    return any(
        isinstance(one, ast.UnaryOp)
        and isinstance(one.op, ast.USub)
        and isinstance(one.operand, ast.Name)
        and hasattr(errno, one.operand.id)
        for one in ast.walk(node)
    )


def calls_by_function(tree: ast.Module) -> dict[str, set[str]]:
    """The calls that each function of a module makes, itself or by others of the module."""
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    calls = {name: strings(node) for name, node in functions.items()}
    uses = {name: names(node) & functions.keys() for name, node in functions.items()}
    changed = True
    while changed:
        changed = False
        for name, others in uses.items():
            added = set().union(*(calls[other] for other in others)) - calls[name]
            calls[name] |= added
            changed = changed or bool(added)
    return calls


def calls_with_error_tests(root: Path) -> set[str]:
    """The calls that some test below a folder makes while it expects an errno."""
    found: set[str] = set()
    for path in root.rglob("test_*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        calls = calls_by_function(tree)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                if tells_of_an_error(node):
                    found |= calls[node.name]
    return found


def test_calls_entries_and_constants_fit() -> None:
    assert complaints() == []


def test_page_on_the_calls_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), (
        "write it anew: python -m vmalab.testing.sweep.call_surface > docs/reference/calls.md"
    )


def test_every_call_has_a_heading() -> None:
    assert [name for name in SYSCALLS if group_of(name) == "Others"] == []


def test_errors_of_every_call_are_tested() -> None:
    tested = calls_with_error_tests(ROOT / "tests" / "linux")
    assert sorted(set(SYSCALLS) - tested - NO_ERRORS.keys()) == []


def test_exceptions_are_calls() -> None:
    assert NO_ERRORS.keys() <= SYSCALLS.keys()


def test_a_call_without_an_entry_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(CALLS, "mmap")
    found = complaints()
    assert "mmap: the call has no entry" in found
    assert "mmap: MAP_FIXED has no state" in found


SOURCE = """
def call(task):
    return do_syscall(task, "mseal")

def made(task):
    return call(task)

def test_fails(made):
    assert made == -EPERM

def test_works(task):
    assert do_syscall(task, "munmap") == 0
"""


def test_what_counts_as_a_test_of_errors(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text(SOURCE)
    assert calls_with_error_tests(tmp_path) == {"mseal"}
