# SPDX-License-Identifier: GPL-2.0-or-later
"""The pytest plugin: case files are collected, and fixtures give benches and machines.

    pytest --vmalab-seam my.py tests/my.vma

Fixtures: `vmalab_seam` (the class that --vmalab-seam names, or the checking one), `machine` (a
kernel; at the end nothing may be left of its tasks), `mm` (an empty address space on a bench, whose
counts are checked at the end), `layout` (builds a drawing; likewise).
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.features import VERSIONS, Features
from vmalab.linux.kernel.machine import LinuxMachine
from vmalab.linux.types.kernel_state import KernelState
from vmalab.testing.cases.audit import audit, audit_end
from vmalab.testing.cases.case import Case
from vmalab.testing.cases.layout import parse_layout
from vmalab.testing.cases.parser import parse_file
from vmalab.testing.cases.run_case import run_case
from vmalab.testing.cases.suites import matches, shipped_cases
from vmalab.testing.cases.workbench import Bench
from vmalab.testing.seams.checking import CheckingInternal
from vmalab.testing.seams.rules import checked, load_seam


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, all of which begin with --vmalab."""
    group = parser.getgroup("vmalab", "tests of the VMA core")
    group.addoption("--vmalab-seam", metavar="FILE.py", help="run cases and fixtures under a rule")
    group.addoption("--vmalab-kernel", metavar="X.Y", help="behave as this kernel version")
    group.addoption(
        "--vmalab-cases", metavar="PATTERN", help="also run the shipped cases that fit, '*': all"
    )


def seam_of(config: pytest.Config) -> type[CheckingInternal]:
    """Return the seam that the options ask for."""
    text = config.getoption("--vmalab-seam")
    return checked(load_seam(text)) if text else CheckingInternal


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
        """Yield its cases, in order."""
        for case in parse_file(self.path):
            yield CaseItem.from_parent(self, name=case.id, case=case)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> CaseFile | None:
    """Collect files of cases that are named on the command line or lie where tests do."""
    if file_path.suffix == ".vma":
        return CaseFile.from_parent(parent, path=file_path)
    return None


class ShippedCases(pytest.Collector):
    """The cases that come with vmalab."""

    def collect(self) -> Iterator[CaseItem]:
        """Those that --vmalab-cases selects."""
        pattern = self.config.getoption("--vmalab-cases")
        for case in shipped_cases():
            if matches(case, pattern):
                yield CaseItem.from_parent(self, name=case.id, case=case)


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the shipped cases that were asked for."""
    if config.getoption("--vmalab-cases"):
        items += ShippedCases.from_parent(session, name="vmalab").collect()


@pytest.fixture
def vmalab_seam(request: pytest.FixtureRequest) -> type[CheckingInternal]:
    """The seam that --vmalab-seam names, with the kit's checks."""
    return seam_of(request.config)


@pytest.fixture
def machine(
    vmalab_seam: type[CheckingInternal], request: pytest.FixtureRequest
) -> Iterator[LinuxMachine]:
    """A kernel; at the end its tasks exit and nothing may be left."""
    config = KernelConfig()
    kernel = request.config.getoption("--vmalab-kernel")
    if kernel:
        config.release, config.features = kernel, features_of(kernel)
    made = LinuxMachine(config, vmalab_seam(KernelState(config)))
    yield made
    made.shutdown()
    assert made.leaks() == []


@pytest.fixture
def layout(vmalab_seam: type[CheckingInternal]) -> Iterator[Callable[[str], Bench]]:
    """A function that builds a drawing; at the end each is audited and torn down."""
    benches: list[Bench] = []

    def build(text: str) -> Bench:
        bench = parse_layout(text).build(vmalab_seam)
        benches.append(bench)
        return bench

    yield build
    for bench in benches:
        assert audit(bench) == []
        bench.tear_down()
        assert audit_end(bench) == []


@pytest.fixture
def mm(vmalab_seam: type[CheckingInternal]) -> Iterator[Bench]:
    """A bench with an empty address space, audited and torn down at the end."""
    bench = Bench({}, vmalab_seam)
    yield bench
    assert audit(bench) == []
    bench.tear_down()
    assert audit_end(bench) == []
