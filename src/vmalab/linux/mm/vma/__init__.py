# SPDX-License-Identifier: GPL-2.0-or-later
"""The core VMA operations, one concern a file; they know the rest of the kernel by the seam alone.

Mirrors mm/vma.c (v6.18).  Everything here imports `vmalab.linux.mm.vma_internal` and its siblings,
and nothing else.
"""
