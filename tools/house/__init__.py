# SPDX-License-Identifier: GPL-2.0-or-later
"""The house rules as checks of the files: one module a rule, run by tools/lint.py."""
