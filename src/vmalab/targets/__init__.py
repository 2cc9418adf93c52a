# SPDX-License-Identifier: GPL-2.0-or-later
"""Where calls are carried out: each target takes a call and gives a result and snapshots."""
