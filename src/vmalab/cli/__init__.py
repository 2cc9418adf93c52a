# SPDX-License-Identifier: GPL-2.0-or-later
"""The command line, where all parts are put together; one file a verb."""
