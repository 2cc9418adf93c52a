# SPDX-License-Identifier: GPL-2.0-or-later
"""Many recordings at once: what each one says in few figures, and their sums."""
