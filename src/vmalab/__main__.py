# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the command: `python -m vmalab`."""

from vmalab.cli.main import main

if __name__ == "__main__":
    main()
