# SPDX-License-Identifier: GPL-2.0-or-later
"""The sweep: each allocation of each call fails once; and the surface of calls it covers."""
