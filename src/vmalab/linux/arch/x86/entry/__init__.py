# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel maps into every x86 program for its own calls."""
