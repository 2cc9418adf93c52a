# SPDX-License-Identifier: GPL-2.0-or-later
"""Replay recordings: carry out each call in the model, compare every result and map."""
