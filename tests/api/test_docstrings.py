# SPDX-License-Identifier: GPL-2.0-or-later
"""Every public name of the library says what it is, in which unit, and what it raises."""

import inspect
import re
from collections.abc import Iterator

import pytest

import vmalab

# What a parameter, or a property, of these names counts in bytes must say so.
BYTES = re.compile(r"(addr|address|length|size|offset|old_length|new_length|new_addr)$")
# Classes whose methods carry something out, and so can fail.
FAILING = ("AddressSpace", "Machine", "Recording", "Watch")


CLASSES = [found for name in vmalab.__all__ if inspect.isclass(found := getattr(vmalab, name))]


def members(of: type) -> Iterator[tuple[str, object]]:
    """The public methods and properties that a class itself defines."""
    for name, member in vars(of).items():
        if not name.startswith("_") and (callable(member) or isinstance(member, property)):
            yield name, member


def doc(of: object) -> str:
    """A docstring as one line; that of a class method is its function's."""
    return " ".join((inspect.getdoc(of) or "").split())


@pytest.mark.parametrize("name", sorted(set(vmalab.__all__) - {"__version__"}))
def test_a_public_name_says_what_it_is(name: str) -> None:
    found = getattr(vmalab, name)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert len(doc(found)) > 20
        return
    # A constant's docstring stands behind it.
    source = inspect.getsource(vmalab)
    assert re.search(rf'^{name}: Final.*\n""".{{20,}}"""$', source, re.MULTILINE)


@pytest.mark.parametrize("of", CLASSES, ids=lambda of: of.__name__)
def test_a_public_method_says_what_it_does(of: type) -> None:
    assert [name for name, member in members(of) if len(doc(member)) < 12] == []


@pytest.mark.parametrize("of", CLASSES, ids=lambda of: of.__name__)
def test_quantities_have_units(of: type) -> None:
    unit_of_all = "are bytes" in doc(of)
    silent = [
        f"{name}({parameter})"
        for name, member in members(of)
        if inspect.isfunction(member) and not unit_of_all
        for parameter in inspect.signature(member).parameters
        if BYTES.match(parameter) and "bytes" not in doc(member)
    ]
    assert silent == []


@pytest.mark.parametrize("name", FAILING)
def test_what_can_fail_says_with_which_errors(name: str) -> None:
    assert re.search(
        r"[Ee]rrors( of all methods)?: |of all methods \w+ with", doc(getattr(vmalab, name))
    )


def test_calls_say_which_errors_they_have_of_their_own() -> None:
    silent = {name for name, member in members(vmalab.AddressSpace) if "Errors:" not in doc(member)}
    looking = {"vmas", "maps", "at", "why", "counters"}
    # These answer no error but that of a process that has exited.
    assert silent - looking == {"munlockall", "brk", "exit"}
