# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory maps as people have them: in crash reports, of debuggers and tools, in core files."""
