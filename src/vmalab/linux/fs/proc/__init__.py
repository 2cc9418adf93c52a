# SPDX-License-Identifier: GPL-2.0-or-later
"""The views of an address space that the kernel's fs/proc prints."""
