# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel's kernel/sys.c has: resource limits and prctl."""
