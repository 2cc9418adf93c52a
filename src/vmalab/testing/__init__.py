# SPDX-License-Identifier: GPL-2.0-or-later
"""The test kit of the VMA core: cases as diagrams, address spaces on a bench, leaks and failures.

The manual's page on testing explains the language of the cases and has a worked example.
"""

from vmalab.testing.cases.audit import audit, audit_end
from vmalab.testing.cases.case import Case, CaseStep
from vmalab.testing.cases.kinds import Kind, parse_kind
from vmalab.testing.cases.layout import Layout, compare_layout, layout_of, parse_layout
from vmalab.testing.cases.leaks import Leak, LeakChecker
from vmalab.testing.cases.parser import CaseError, parse_cases, parse_file
from vmalab.testing.cases.run_case import Verdict, run_case, run_cases
from vmalab.testing.cases.suites import select, shipped_cases
from vmalab.testing.cases.workbench import Bench, Region
from vmalab.testing.seams.checking import CheckingInternal
from vmalab.testing.seams.conformance import conformance
from vmalab.testing.seams.failing import FailingInternal
from vmalab.testing.seams.observing import ObservingInternal
from vmalab.testing.seams.strict import StrictInternal

__all__ = (
    "Bench",
    "Case",
    "CaseError",
    "CaseStep",
    "CheckingInternal",
    "FailingInternal",
    "Kind",
    "Layout",
    "Leak",
    "LeakChecker",
    "ObservingInternal",
    "Region",
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
