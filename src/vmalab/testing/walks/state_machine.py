# SPDX-License-Identifier: GPL-2.0-or-later
"""Hypothesis' rule-based state machine over the calls; needs Hypothesis.

    class TestMine(machine_for(MySeam).TestCase): ...

Every rule makes a call on a walk and on its twin with the usual rules; every law of the walk is
checked after it.  Hypothesis shrinks a failure, and what is printed is a case and a Python test.
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from vmalab.testing.cases.picture import Boxes
from vmalab.testing.seams.checking import CheckingInternal
from vmalab.testing.walks.strategies import boxes, calls
from vmalab.testing.walks.walk import CACHES, SETTINGS, Walk


def as_python(case: str) -> str:
    """Return a case as a test in Python."""
    quoted = case.replace('"""', "'''")
    return (
        "from vmalab.testing import parse_cases, run_case\n\n\n"
        f'CASE = """\n{quoted}"""\n\n\n'
        "def test_found() -> None:\n"
        '    (case,) = parse_cases(CASE, "found.vma")\n'
        "    verdict = run_case(case)\n"
        "    assert verdict.passed, verdict.text()\n"
    )


def report(walk: Walk) -> str:
    """Return what a walk has found: in words, as a case, and as a test."""
    case = walk.case("what was found").text()
    return "\n".join([*walk.found, "", case, as_python(case)])


class AddressSpaceMachine(RuleBasedStateMachine):
    """Calls on one address space, with the laws of a walk.  seam: whose rules are tested."""

    seam: type[CheckingInternal] = CheckingInternal
    twin = True

    def __init__(self) -> None:
        super().__init__()
        self.walk = Walk((), (), self.seam, self.twin)

    def check(self) -> None:
        """Fail when the walk has found something."""
        assert not self.walk.found, report(self.walk)

    @initialize(before=boxes(), settings=st.sampled_from(SETTINGS))
    def begin(self, before: Boxes, settings: tuple[tuple[str, ...], ...]) -> None:
        """Build a layout."""
        self.walk = Walk(settings, before, self.seam, self.twin)
        self.walk.begin()
        self.check()

    @rule(text=calls())
    def call(self, text: str) -> None:
        """Make a call."""
        if not self.walk.over:
            self.walk.step(text)
            self.check()

    @rule(text=calls(), cache=st.sampled_from(CACHES), nth=st.integers(1, 3))
    def call_that_fails(self, text: str, cache: str, nth: int) -> None:
        """Make a call with an allocation that fails."""
        if not self.walk.over:
            self.walk.step(text, (cache, nth))
            self.check()

    def teardown(self) -> None:
        """Unmap everything."""
        if not self.walk.found and not self.walk.over:
            self.walk.end()
            self.check()


def machine_for(rules: type[CheckingInternal]) -> type[AddressSpaceMachine]:
    """Return the state machine for a seam of one's own."""
    return type("Machine", (AddressSpaceMachine,), {"seam": rules})
