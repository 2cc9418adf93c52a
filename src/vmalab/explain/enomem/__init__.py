# SPDX-License-Identifier: GPL-2.0-or-later
"""Why calls failed: the check that refused, its figures, what is left of each limit."""
