# SPDX-License-Identifier: GPL-2.0-or-later
"""The moves of random streams, by what they act on."""
