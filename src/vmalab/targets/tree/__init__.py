# SPDX-License-Identifier: GPL-2.0-or-later
"""A kernel source tree as a target: its own VMA code, built for user mode and run as a program."""
