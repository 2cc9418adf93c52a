# SPDX-License-Identifier: GPL-2.0-or-later
"""Recorded programs on a kernel tree: their calls made by the tree's own code, beside a replay."""
