# SPDX-License-Identifier: GPL-2.0-or-later
"""The same run with changes, on a second machine beside the first."""
