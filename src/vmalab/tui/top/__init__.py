# SPDX-License-Identifier: GPL-2.0-or-later
"""What processes use of their limits, on the terminal, again and again."""
