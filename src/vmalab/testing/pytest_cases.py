# SPDX-License-Identifier: GPL-2.0-or-later
"""What the pytest plugin does once it is used: cases as tests, machines and benches."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vmalab.calls.errors import VmalabError
from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.features import VERSIONS, Features
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.kernel_state import KernelState
from vmalab.testing.cases.audit import audit, audit_end
from vmalab.testing.cases.case import Case
from vmalab.testing.cases.parser import parse_file
from vmalab.testing.cases.run_case import run_case
from vmalab.testing.cases.suites import matches, shipped_cases
from vmalab.testing.cases.workbench import Bench
from vmalab.testing.seams.checking import CheckingInternal
from vmalab.testing.seams.rules import checked, load_seam


def seam_of(config: pytest.Config) -> type[CheckingInternal]:
    """Return the seam that the options ask for."""
    text = config.getoption("--vmalab-seam")
    return checked(load_seam(text)) if text else CheckingInternal


def check_options(config: pytest.Config) -> None:
    """Errors: UsageError for a seam or a kernel that there is not."""
    try:
        seam_of(config)
    except VmalabError as error:
        raise pytest.UsageError(f"--vmalab-seam: {error}") from None
    kernel = config.getoption("--vmalab-kernel")
    if kernel:
        features_of(kernel)


def features_of(kernel: str) -> Features:
    """Return the properties of a version.  UsageError: there is no profile of it."""
    versions = {f"{major}.{minor}": (major, minor) for major, minor in VERSIONS}
    if kernel not in versions:
        raise pytest.UsageError(f"--vmalab-kernel: a kernel is one of {', '.join(versions)}")
    return Features(versions[kernel])


class CaseItem(pytest.Item):
    """One case as a test."""

    def __init__(self, *, case: Case, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.case = case

    def runtest(self) -> None:
        """Run it under the rules that were asked for."""
        verdict = run_case(self.case, seam_of(self.config))
        if not verdict.passed:
            raise AssertionError(verdict.text())

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None
    ) -> str:
        """Return the failure as vmalab prints it, without a traceback."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the case stands."""
        return self.path, self.case.line - 1, self.case.id


class CaseFile(pytest.File):
    """A file of cases."""

    def collect(self) -> Iterator[CaseItem]:
        """Yield its cases, in order. CollectError, which has no traceback: where it is no case."""
        try:
            cases = parse_file(self.path)
        except VmalabError as error:
            raise self.CollectError(str(error)) from None
        for case in cases:
            yield CaseItem.from_parent(self, name=case.id, case=case)


class ShippedCases(pytest.Collector):
    """The cases that come with vmalab."""

    def collect(self) -> Iterator[CaseItem]:
        """Those that --vmalab-cases selects."""
        pattern = self.config.getoption("--vmalab-cases")
        for case in shipped_cases():
            if matches(case, pattern):
                yield CaseItem.from_parent(self, name=case.id, case=case)


def machine_of(seam: type[CheckingInternal], options: pytest.Config) -> LinuxMachine:
    """Return a kernel under the rules, of the version that --vmalab-kernel names."""
    config = KernelConfig()
    kernel = options.getoption("--vmalab-kernel")
    if kernel:
        config.release, config.features = kernel, features_of(kernel)
    return LinuxMachine(config, seam(KernelState(config)))


def end(bench: Bench) -> None:
    """Audit a bench and tear it down: its counts are right, and nothing is left."""
    assert audit(bench) == []
    bench.tear_down()
    assert audit_end(bench) == []
