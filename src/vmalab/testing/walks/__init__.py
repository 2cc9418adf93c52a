# SPDX-License-Identifier: GPL-2.0-or-later
"""Walks from call to call, with laws checked on the way."""
