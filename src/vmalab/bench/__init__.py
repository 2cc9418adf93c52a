# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast the model is: against the live kernel on the same calls, as it grows, and in parts."""
