# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that stay on the terminal and answer keys: `explore` and `top`."""
