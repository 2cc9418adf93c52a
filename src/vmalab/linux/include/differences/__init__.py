# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between kernel versions: a table, in one file for each part of the kernel."""
