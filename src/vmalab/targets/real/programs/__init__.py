# SPDX-License-Identifier: GPL-2.0-or-later
"""Real programs on another kernel: recorded by vmalab's own recorder, inside a guest of QEMU."""
