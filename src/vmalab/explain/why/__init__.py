# SPDX-License-Identifier: GPL-2.0-or-later
"""Why neighbouring VMAs are not one, and what each cause costs."""
