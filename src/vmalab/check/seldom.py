# SPDX-License-Identifier: GPL-2.0-or-later
"""Profiles of streams about what programs seldom do, and what holds for a process as a whole."""

from typing import Final

from vmalab.check.moves import anonymous as basic
from vmalab.check.moves import descriptors, files, modes
from vmalab.check.moves import other_calls as special
from vmalab.check.moves import stacks as stack
from vmalab.check.profile import ANON, Profile

SELDOM: Final[dict[str, Profile]] = {
    "modes": Profile(
        ((0x30000000, 32),),
        (
            *ANON,
            (modes.be_like, 8),
            (modes.refuse_exec_gain, 2),
            (modes.disable_huge_pages, 4),
            (modes.limit_below_use, 8),
            (modes.unreadable, 8),
            (modes.protect_as_read, 12),
            (special.merge_pages, 1),
            (special.lock, 4),
            (special.unlock, 2),
            (basic.map_anywhere, 8),
            (basic.unmap_placed, 6),
            (basic.grow_heap, 5),
            (basic.resize, 6),
            (basic.move, 3),
            (files.open_file, 3),
            (files.map_file, 6),
            (files.get_segment, 2),
            (files.attach, 4),
            (files.detach, 3),
            (stack.map_stack, 3),
            (stack.touch_below, 4),
            (special.fork, 2),
            (special.leave, 2),
        ),
    ),
    "descriptors": Profile(
        ((0x20000000, 48),),
        (
            (files.open_file, 8),
            (descriptors.open_oddly, 12),
            (descriptors.reopen, 8),
            (descriptors.copy_fd, 8),
            (descriptors.close_several, 1),
            (descriptors.seal_more, 4),
            (files.size_file, 4),
            (files.seal_file, 3),
            (descriptors.size_far, 5),
            (descriptors.map_oddly, 26),
            (descriptors.map_far, 10),
            (descriptors.remap_far, 3),
            (files.map_file, 16),
            (files.open_secret, 1),
            (basic.map_fixed, 4),
            (basic.unmap, 10),
            (basic.protect, 12),
            (basic.populate, 6),
            (basic.advise_simply, 3),
            (basic.advise_pages, 3),
            (basic.remap_pages, 3),
            (basic.move, 5),
            (basic.resize, 8),
            (basic.sync, 1),
            (special.fork, 2),
            (special.leave, 2),
        ),
    ),
}
