# SPDX-License-Identifier: GPL-2.0-or-later
"""Address spaces read from a kernel's memory: of a dead kernel's dump, or of the live one."""
