#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fetches Debian's kernel sources with apt and unpacks them in the cache, for `make check-trees`.

Nothing is installed. 6.1 and 6.12 come from the suites that this machine uses, newer series from
trixie-backports, as with tools/kernels.py.

usage: tools/trees.py [SERIES]...      those of four series when none is named; prints each folder
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kernels import BACKPORTS, OWN, Apt, Problem, cache_folder, sources_of

OLDER = ("6.1", "6.12")
NEWER = ("7.2", "7.3")
# Before that series, VMAs are in no maple tree.
OLDEST = (6, 1)
_PACKAGE = re.compile(r"^linux-source-((\d+)\.(\d+)) ", re.M)
_CANDIDATE = re.compile(r"^ *Candidate: (\S+)$", re.M)


def fetch(apt: Apt, series: str, cache: Path, version: str = "") -> Path:
    """Return the folder of a series' source, fetched if it is not there. Errors: Problem.

    version: of the package that it must be from, "" for any.
    """
    folder = cache / "sources" / f"linux-source-{series}"
    marker = folder.with_name(f"{folder.name}.package")
    known = marker.read_text("utf-8").strip() if marker.is_file() else ""
    if (folder / "Makefile").is_file() and version in ("", known):
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
        marker.unlink(missing_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
        (Path(place) / folder.name).rename(folder)
    if version:
        marker.write_text(version + "\n", "utf-8")
    return folder


def offered(apt: Apt) -> list[str]:
    """Return the series whose source the repositories have, oldest first. Errors: Problem."""
    listed = apt.run("apt-cache", "search", "--names-only", "^linux-source-[0-9.]+$")
    found = {(int(major), int(minor)): series for series, major, minor in _PACKAGE.findall(listed)}
    return [found[numbers] for numbers in sorted(found) if numbers >= OLDEST]


def newest_version(apt: Apt, series: str) -> str:
    """Return the version of the package that apt would fetch. Errors: Problem."""
    match = _CANDIDATE.search(apt.run("apt-cache", "policy", f"linux-source-{series}"))
    if match is None or match[1] == "(none)":
        raise Problem(f"no linux-source-{series} in the repositories")
    return match[1]


def fetch_newest() -> Iterator[tuple[str, Path | str]]:
    """Give each series that the repositories have, and its folder, or why it is not there."""
    cache = cache_folder()
    done: set[str] = set()
    for name in (BACKPORTS, OWN):
        try:
            apt = Apt(cache / "apt" / name, sources_of(name))
            apt.run("apt-get", "update", "-q")
            names = [series for series in offered(apt) if series not in done]
        except (Problem, OSError) as problem:
            yield name, str(problem)
            continue
        for series in names:
            done.add(series)
            try:
                yield series, fetch(apt, series, cache, newest_version(apt, series))
            except (Problem, OSError, subprocess.CalledProcessError) as problem:
                yield series, str(problem)


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
