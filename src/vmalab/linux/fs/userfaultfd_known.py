# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel's userfaultfd knows: requests, features of the handshake, modes of registering."""

from typing import Final

from vmalab.linux.include.features import Features
from vmalab.linux.include.uapi.userfaultfd import (
    UFFD_FEATURE_EXACT_ADDRESS,
    UFFD_FEATURE_RWP,
    UFFD_FEATURE_RWP_ASYNC,
    UFFD_FEATURE_WP_HUGETLBFS_SHMEM,
    UFFDIO_CONTINUE,
    UFFDIO_MOVE,
    UFFDIO_POISON,
    UFFDIO_REGISTER_MODE_MINOR,
    UFFDIO_REGISTER_MODE_MISSING,
    UFFDIO_REGISTER_MODE_RWP,
    UFFDIO_REGISTER_MODE_WP,
    UFFDIO_RWPROTECT,
    UFFDIO_SET_MODE,
)
from vmalab.linux.types.mm_types import UserfaultfdCtx

# Features that every kernel has, and those that came with this and that.
UFFD_FIRST_FEATURES: Final = 0x1FF
UFFD_MINOR_FEATURES: Final = 0x600
UFFD_MOVE_FEATURES: Final = 0x1E000
UFFD_RWP_FEATURES: Final = UFFD_FEATURE_RWP | UFFD_FEATURE_RWP_ASYNC
REGISTER_MODES: Final = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP


def knows_request(features: Features, request: int) -> bool:
    """Tell whether a kernel has a request, if it is one of those that not all have."""
    if request in (UFFDIO_MOVE, UFFDIO_POISON):
        return features.userfaultfd_move_and_poison
    if request == UFFDIO_CONTINUE:
        return features.userfaultfd_minor
    if request in (UFFDIO_RWPROTECT, UFFDIO_SET_MODE):
        return features.userfaultfd_rwp
    return True


def uffd_api_available_features(features: Features) -> int:
    """Return the features of UFFDIO_API that a kernel has."""
    available = UFFD_FIRST_FEATURES
    if features.userfaultfd_minor:
        available |= UFFD_MINOR_FEATURES
    if features.userfaultfd_exact_address:
        available |= UFFD_FEATURE_EXACT_ADDRESS
    if features.userfaultfd_protects_files:
        available |= UFFD_FEATURE_WP_HUGETLBFS_SHMEM
    if features.userfaultfd_move_and_poison:
        available |= UFFD_MOVE_FEATURES
    return available | UFFD_RWP_FEATURES if features.userfaultfd_rwp else available


def register_modes(ctx: UserfaultfdCtx, features: Features) -> int:
    """Return the modes that can be registered; RWP only when the handshake asked for it."""
    rwp = features.userfaultfd_rwp and ctx.features & UFFD_FEATURE_RWP != 0
    modes = REGISTER_MODES
    if features.userfaultfd_minor:
        modes |= UFFDIO_REGISTER_MODE_MINOR
    return modes | UFFDIO_REGISTER_MODE_RWP if rwp else modes
