# SPDX-License-Identifier: GPL-2.0-or-later
"""The engine's types that refer to each other."""
