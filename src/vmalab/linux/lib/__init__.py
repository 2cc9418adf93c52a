# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's lib/: containers and allocators that know nothing of memory management."""
