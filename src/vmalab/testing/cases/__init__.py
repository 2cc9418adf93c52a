# SPDX-License-Identifier: GPL-2.0-or-later
"""Test cases drawn as diagrams: their language, the bench they run on, their verdicts."""
