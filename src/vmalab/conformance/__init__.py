# SPDX-License-Identifier: GPL-2.0-or-later
"""The conformance kit: streams of calls with what Linux answers, for others' mmap to be held to."""
