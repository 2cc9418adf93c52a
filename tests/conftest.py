# SPDX-License-Identifier: GPL-2.0-or-later
"""Settings that all tests share: how Hypothesis looks for a failure and how it shows one."""

from hypothesis import settings

# No deadline: two busy cores make any single example slow now and then, and that says nothing.
settings.register_profile("vmalab", deadline=None, print_blob=True)
settings.load_profile("vmalab")
