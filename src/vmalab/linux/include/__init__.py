# SPDX-License-Identifier: GPL-2.0-or-later
"""Constants of the kernel: `uapi` holds those of the user API, the other modules its own."""
