# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel's fs/ does to an address space: exec and the files of /proc."""
