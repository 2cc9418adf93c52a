# SPDX-License-Identifier: GPL-2.0-or-later
"""A very small Linux tree: the engine, laid out as the kernel's sources are."""
