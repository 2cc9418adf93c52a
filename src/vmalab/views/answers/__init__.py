# SPDX-License-Identifier: GPL-2.0-or-later
"""What `--json` prints: one module a verb, whose classes are the answer's form and its schema."""
