# SPDX-License-Identifier: GPL-2.0-or-later
"""A live process, watched by the kernel's events as it runs."""
