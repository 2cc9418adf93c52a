# SPDX-License-Identifier: GPL-2.0-or-later
"""The test kit of the VMA core: cases as diagrams, address spaces on a bench, leaks and failures.

The manual's page on testing explains the language of the cases and has a worked example.
"""

from vmalab.testing.audit import audit, audit_end
from vmalab.testing.bench import Bench, Region
from vmalab.testing.case import Case, Step
from vmalab.testing.conformance import conformance
from vmalab.testing.failing import FailingInternal
from vmalab.testing.kinds import Kind, parse_kind
from vmalab.testing.layout import Layout, compare_layout, layout_of, parse_layout
from vmalab.testing.leaks import Leak, LeakChecker
from vmalab.testing.observing import ObservingInternal
from vmalab.testing.parser import CaseError, parse_cases, parse_file
from vmalab.testing.run import Verdict, run_case, run_cases
from vmalab.testing.seams import CheckingInternal
from vmalab.testing.strict import StrictInternal
from vmalab.testing.suites import select, shipped_cases

__all__ = (
    "Bench",
    "Case",
    "CaseError",
    "CheckingInternal",
    "FailingInternal",
    "Kind",
    "Layout",
    "Leak",
    "LeakChecker",
    "ObservingInternal",
    "Region",
    "Step",
    "StrictInternal",
    "Verdict",
    "audit",
    "audit_end",
    "compare_layout",
    "conformance",
    "layout_of",
    "parse_cases",
    "parse_file",
    "parse_kind",
    "parse_layout",
    "run_case",
    "run_cases",
    "select",
    "shipped_cases",
)
