# SPDX-License-Identifier: GPL-2.0-or-later
"""System V shared memory: the kernel's ipc/."""
