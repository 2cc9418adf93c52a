# SPDX-License-Identifier: GPL-2.0-or-later
"""Which version the model behaves as, and how an answer names one that nobody has judged."""

import pytest

from vmalab.recording.format.meta import Meta
from vmalab.targets.model.versions import check_version, kernel_config, linux_named, version_for


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
