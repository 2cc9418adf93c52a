#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fetches Debian's kernel sources with apt and unpacks them in the cache, for `make check-trees`.

Nothing is installed. 6.1 and 6.12 come from the suites that this machine uses, newer series from
trixie-backports, as with tools/kernels.py.

usage: tools/trees.py [SERIES]...      all series when none is named; prints the folder of each
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from kernels import BACKPORTS, OWN, Apt, Problem, cache_folder, sources_of

OLDER = ("6.1", "6.12")
NEWER = ("7.2", "7.3")


def fetch(apt: Apt, series: str, cache: Path) -> Path:
    """Return the folder of a series' source, fetched if it is not there. Errors: Problem."""
    folder = cache / "sources" / f"linux-source-{series}"
    if (folder / "Makefile").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        apt.run("apt-get", "download", f"linux-source-{series}", cwd=Path(place))
        packages = list(Path(place).glob("*.deb"))
        if len(packages) != 1:
            raise Problem(f"apt-get download linux-source-{series} left {len(packages)} packages")
        subprocess.run(["dpkg-deb", "-x", str(packages[0]), place], check=True)
        archive = Path(place) / "usr" / "src" / f"linux-source-{series}.tar.xz"
        subprocess.run(["tar", "-C", place, "-xf", str(archive)], check=True)
        (Path(place) / folder.name).rename(folder)
    return folder


def main(wanted: list[str]) -> int:
    """Fetch; 0 when all of the wanted series are there."""
    unknown = [series for series in wanted if series not in (*OLDER, *NEWER)]
    if unknown:
        print(f"trees: no such series: {', '.join(unknown)}", file=sys.stderr)
        return 2
    cache = cache_folder()
    status = 0
    for group, name in ((OLDER, OWN), (NEWER, BACKPORTS)):
        chosen = [series for series in group if series in wanted or not wanted]
        try:
            apt = Apt(cache / "apt" / name, sources_of(name))
            if chosen:
                apt.run("apt-get", "update", "-q")
            for series in chosen:
                print(fetch(apt, series, cache), flush=True)
        except (Problem, OSError, subprocess.CalledProcessError) as problem:
            print(f"trees: {', '.join(chosen)}: {problem}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
