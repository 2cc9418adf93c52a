# SPDX-License-Identifier: GPL-2.0-or-later
"""The call table: every system call that the engine carries out, by name."""
