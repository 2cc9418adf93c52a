# SPDX-License-Identifier: GPL-2.0-or-later
"""Time travel through a recording: the calls on the left, the map at each on the right."""
