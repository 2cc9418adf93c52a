# SPDX-License-Identifier: GPL-2.0-or-later
"""The vocabulary between recordings, the model and the answers: calls, results, snapshots."""
