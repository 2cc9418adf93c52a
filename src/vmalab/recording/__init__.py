# SPDX-License-Identifier: GPL-2.0-or-later
"""Readers of recordings: strace logs, maps and smaps files, directories of format 1.

Recordings are untrusted: nothing in them is executed, no path in them is opened, memory is bounded,
and what cannot be understood is reported with its place.
"""
