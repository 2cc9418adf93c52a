# SPDX-License-Identifier: GPL-2.0-or-later
"""Tasks, fork, limits and the table of system calls: the kernel's kernel/."""
