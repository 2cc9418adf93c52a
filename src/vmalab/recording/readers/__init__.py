# SPDX-License-Identifier: GPL-2.0-or-later
"""Readers of logs and maps: strace, perf script, ftrace, syzkaller, CRIU, Arrow, /proc."""
