# SPDX-License-Identifier: GPL-2.0-or-later
"""Which version the model behaves as, and how an answer names one that nobody has judged."""

import pytest

from vmalab.calls.errors import UsageError
from vmalab.recording.format.meta import Meta
from vmalab.targets.model.versions import (
    SUPPORTED,
    check_version,
    kernel_config,
    linux_named,
    version_for,
)


@pytest.mark.parametrize(
    ("kernel", "named"),
    [
        ((4, 19), "Linux 4.19 (older than 5.10, the oldest that is judged)"),
        ((5, 10), "Linux 5.10"),
        ((5, 14), "Linux 5.14 (between 5.10 and 6.1, not judged)"),
        ((6, 8), "Linux 6.8 (between 6.1 and 6.12, not judged)"),
        ((8, 0), "Linux 8.0 (newer than 7.3, the newest that is judged)"),
    ],
    ids=str,
)
def test_a_kernel_without_a_profile_is_said_to_be_none(kernel: tuple[int, int], named: str) -> None:
    assert linux_named(version_for(Meta(kernel=kernel), None)) == named


@pytest.mark.parametrize(
    ("kernel", "populates", "aligns"),
    [("5.13", False, False), ("5.14", True, False), ("6.6", True, False), ("6.8", True, True)],
)
def test_a_kernel_between_profiles_has_what_commits_brought_up_to_it(
    kernel: str, populates: bool, aligns: bool
) -> None:
    """MADV_POPULATE_READ came with 5.14, huge pages' places of anonymous memory with 6.7."""
    features = kernel_config(Meta(), check_version(kernel)).features
    assert (features.madvise_populate, features.thp_aligns_anonymous) == (populates, aligns)


@pytest.mark.parametrize(
    ("kernel", "flag", "droppable"),
    [
        ("6.18.0", False, True),
        ("6.18.36", False, True),
        ("6.18.37", True, True),
        ("6.18.44", True, False),
        ("6.18", True, False),
        ("6.17.44", False, True),
    ],
)
def test_a_point_release_that_is_asked_for_has_what_its_series_got_by_then(
    kernel: str, flag: bool, droppable: bool
) -> None:
    """6.18.37 got VM_MAYBE_GUARD, 6.18.44 memory of MAP_DROPPABLE that is not locked."""
    features = kernel_config(Meta(), check_version(kernel)).features
    assert (features.guard_flag, features.mlockall_locks_droppable) == (flag, droppable)


@pytest.mark.parametrize(
    ("asked", "release", "flag"),
    [("6.18.44", "6.18.15", True), ("6.18.15", "6.18.44", False), ("6.18", "6.18.15-1", False)],
    ids=["newer", "older", "none"],
)
def test_a_point_release_that_is_asked_for_takes_the_place_of_the_recorded_one(
    asked: str, release: str, flag: bool
) -> None:
    meta = Meta(kernel=(6, 18), release=release)
    assert kernel_config(meta, version_for(meta, asked)).features.guard_flag is flag


@pytest.mark.parametrize(
    ("build", "tries"),
    [
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)", False),
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)", True),
        ("#1 SMP PREEMPT_DYNAMIC Debian 6.12.76-1 (2026-02-01)", False),
        ("#101-Ubuntu SMP", False),
        ("", False),
    ],
)
def test_debian_tells_the_point_release_of_a_kernel_named_by_its_series(
    build: str, tries: bool
) -> None:
    """6.1.192 does not try to allocate where there are no protection keys, 6.1.76 did."""
    meta = Meta(kernel=(6, 1), release="6.1.0-18-amd64", build=build)
    features = kernel_config(meta, version_for(meta, None)).features
    assert features.pkey_alloc_tries_without_keys is tries


def test_an_answer_names_the_point_release() -> None:
    assert linux_named("6.18.44") == "Linux 6.18.44"
    assert linux_named("5.14.2") == "Linux 5.14.2 (between 5.10 and 6.1, not judged)"


@pytest.mark.parametrize(
    "kernel", ["", "6", "6.", "6.18.", "6.18.x", "6.18.01", "6.18.1.2", "6.18.100000", "7.4.1"]
)
def test_what_is_no_version_with_a_model_is_refused(kernel: str) -> None:
    with pytest.raises(UsageError, match=f"there is one of {SUPPORTED[0]}, "):
        check_version(kernel)
