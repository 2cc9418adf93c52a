# SPDX-License-Identifier: GPL-2.0-or-later
"""One module for each rule; its function `check` yields what breaks the rule in a tree."""
