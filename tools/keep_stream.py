#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps a random stream with what a kernel made of it, for tests/check/test_kept_stream.py.

usage: tools/keep_stream.py [--calls N] TARGET PROFILE NUMBER FILE
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vmalab.check.kept_stream import first_difference, keep
from vmalab.check.piece import open_trial


def main(words: Sequence[str]) -> int:
    """Keep a stream; 0 when the model does as the kernel did."""
    parser = argparse.ArgumentParser(prog="keep_stream", description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=600)
    parser.add_argument("target", metavar="TARGET")
    parser.add_argument("profile", metavar="PROFILE")
    parser.add_argument("number", type=int, metavar="NUMBER")
    parser.add_argument("file", type=Path, metavar="FILE")
    chosen = parser.parse_args(words)
    with open_trial(chosen.target, "", None, 1) as trial:
        stream = keep(trial, chosen.profile, chosen.number, chosen.calls)
    chosen.file.parent.mkdir(parents=True, exist_ok=True)
    chosen.file.write_bytes(stream.packed())
    found = first_difference(stream)
    size = chosen.file.stat().st_size
    print(f"{chosen.file}: {len(stream.calls)} calls, {size} bytes: {found or 'no difference'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
