# SPDX-License-Identifier: GPL-2.0-or-later
"""The user API: numbers a program hands to system calls, under the kernel's names.

One module mirrors one uapi header. Each line is `NAME: Final = literal`, so that a compiled
engine folds it and the readers can build their tables of names from it.
"""
