# SPDX-License-Identifier: GPL-2.0-or-later
"""The model as a target: a machine like the recorded one, its processes and calls."""
