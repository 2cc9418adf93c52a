# SPDX-License-Identifier: GPL-2.0-or-later
"""The security modules that every kernel has: capabilities."""
