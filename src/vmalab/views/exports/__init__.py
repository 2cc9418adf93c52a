# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings for other programs: Perfetto, speedscope, flame graph scripts, spreadsheets."""
