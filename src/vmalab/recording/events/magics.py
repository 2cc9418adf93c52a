# SPDX-License-Identifier: GPL-2.0-or-later
"""How files of recorded events begin, or what they are called: enough to tell them from others."""

from typing import Final

# What a recorder by events keeps as it came.
RAW_NAME: Final = "events.raw"
# What `perf record` writes.
PERF_DATA: Final = b"PERFILE2"
# The first line that our program for bpftrace prints. Later versions of its lines have another
# number.
BPFTRACE: Final = "vmalab-bpftrace 1"
