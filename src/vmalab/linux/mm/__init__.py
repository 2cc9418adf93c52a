# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory management: the kernel's mm/, as far as VMAs depend on it."""
