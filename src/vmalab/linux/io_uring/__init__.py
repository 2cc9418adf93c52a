# SPDX-License-Identifier: GPL-2.0-or-later
"""io_uring's rings, as far as they are mapped."""
