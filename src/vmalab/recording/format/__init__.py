# SPDX-License-Identifier: GPL-2.0-or-later
"""Recordings of format 1 on disk: their directory, meta.json, maps, steps and faults."""
