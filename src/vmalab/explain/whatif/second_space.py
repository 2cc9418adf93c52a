# SPDX-License-Identifier: GPL-2.0-or-later
"""One address space of a replay, and where its memory is on the second machine of a what-if."""

from typing import final

from vmalab.explain.whatif.address_map import AddressMap


@final
class SecondSpace:
    """An address space of the replay, as it is on the other machine.

    translation: where its memory is there. in_step: nothing has turned out differently in it so
    far. disorder: the last line whose call may have taken effect out of order.
    """

    def __init__(self, translation: AddressMap) -> None:
        self.translation = translation
        self.in_step = True
        self.disorder = 0
