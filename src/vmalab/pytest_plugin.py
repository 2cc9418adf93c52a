# SPDX-License-Identifier: GPL-2.0-or-later
"""The pytest plugin: collects case files, gives benches and machines, watches marked tests.

    pytest --vmalab-seam my.py tests/my.vma

    @pytest.mark.vmalab(max_vmas=20, no_enomem=True)

Fixtures: `vmalab_seam` (the class that --vmalab-seam names, or the checking one), `vmalab_machine`
(a kernel; at the end nothing may be left of its tasks), `vmalab_mm` (an empty address space on a
bench, whose counts are checked at the end), `vmalab_layout` (builds a drawing; likewise). Every
pytest loads this module: what it needs is imported when it is used.
"""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from vmalab.linux.kernel.machine import LinuxMachine
    from vmalab.testing import Bench, CheckingInternal

_MARKER = (
    "vmalab(max_vmas=None, no_enomem=False, stacks=True): record the test's process, and fail the "
    "test if it adds more than max_vmas VMAs at its peak, or if a memory call fails with ENOMEM"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, all of which begin with --vmalab."""
    group = parser.getgroup("vmalab", "tests of the VMA core")
    group.addoption("--vmalab-seam", metavar="FILE.py", help="run cases and fixtures under a rule")
    group.addoption("--vmalab-kernel", metavar="X.Y", help="behave as this kernel version")
    group.addoption(
        "--vmalab-cases", metavar="PATTERN", help="also run the shipped cases that fit, '*': all"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and check the options. Errors: UsageError, which pytest prints."""
    config.addinivalue_line("markers", _MARKER)
    if config.getoption("--vmalab-seam") or config.getoption("--vmalab-kernel"):
        from vmalab.testing.pytest_cases import check_options

        check_options(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect files of cases that are named on the command line or lie where tests do."""
    if file_path.suffix != ".vma":
        return None
    from vmalab.testing.pytest_cases import CaseFile

    return CaseFile.from_parent(parent, path=file_path)


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the shipped cases that were asked for."""
    if config.getoption("--vmalab-cases"):
        from vmalab.testing.pytest_cases import ShippedCases

        items += ShippedCases.from_parent(session, name="vmalab").collect()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Watch a test that is marked."""
    marker = item.get_closest_marker("vmalab")
    if marker is None:
        return (yield)
    from vmalab.api.pytest_watch import fail_beyond, watched

    with watched(marker) as watch:
        found = yield
    fail_beyond(marker, watch)
    return found


@pytest.fixture
def vmalab_seam(request: pytest.FixtureRequest) -> "type[CheckingInternal]":
    """The seam that --vmalab-seam names, with the kit's checks."""
    from vmalab.testing.pytest_cases import seam_of

    return seam_of(request.config)


@pytest.fixture
def vmalab_machine(
    vmalab_seam: "type[CheckingInternal]", request: pytest.FixtureRequest
) -> "Iterator[LinuxMachine]":
    """A kernel; at the end its tasks exit and nothing may be left."""
    from vmalab.testing.pytest_cases import machine_of

    made = machine_of(vmalab_seam, request.config)
    yield made
    made.shutdown()
    assert made.leaks() == []


@pytest.fixture
def vmalab_layout(vmalab_seam: "type[CheckingInternal]") -> "Iterator[Callable[[str], Bench]]":
    """A function that builds a drawing; at the end each is audited and torn down."""
    from vmalab.testing import parse_layout
    from vmalab.testing.pytest_cases import end

    benches: list[Bench] = []

    def build(text: str) -> "Bench":
        bench = parse_layout(text).build(vmalab_seam)
        benches.append(bench)
        return bench

    yield build
    for bench in benches:
        end(bench)


@pytest.fixture
def vmalab_mm(vmalab_seam: "type[CheckingInternal]") -> "Iterator[Bench]":
    """A bench with an empty address space, audited and torn down at the end."""
    from vmalab.testing import Bench
    from vmalab.testing.pytest_cases import end

    bench = Bench({}, vmalab_seam)
    yield bench
    end(bench)
