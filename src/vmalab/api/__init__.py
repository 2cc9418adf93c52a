# SPDX-License-Identifier: GPL-2.0-or-later
"""The library's door: address spaces to call, machines to run, recordings to ask.

What it exports is found in `vmalab` itself: `from vmalab import AddressSpace`.
"""
