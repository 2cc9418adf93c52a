# SPDX-License-Identifier: GPL-2.0-or-later
"""The keys of `explore`, as its help shows them."""

from typing import Final

HELP_TEXT: Final = """\
↑ ↓ PgUp PgDn Home End   go through the list
Tab                      go to the other list: calls, map

s  m  f                  next split, merge, failure (S M F: the previous one)
p                        where there are the most VMAs
o  c  x                  where the VMA at the map's cursor was born, last changed, is gone
/                        search: an address, a call, tid:N, line:N, part of a function's name
n  N                     the next one found, the previous one
Backspace                back to where you were

w                        why is the VMA at the map's cursor apart from its neighbours
b                        what made the VMAs of this moment; Enter goes to the first call
d                        mark this moment; once more: compare with the marked one
?  q                     this help; quit, as Ctrl-C; Esc or q closes a window

The signs of a call:  F failed   S split a VMA   M merged some   + made some   - some are gone
                      ! the model answers otherwise than the recording
The signs of a VMA:   + new   ~ changed   - gone by this call
"""
