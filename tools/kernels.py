#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fetches Debian's cloud kernels with apt into the cache, for `vmalab check --target qemu:6.12`.

6.1 and 6.12 come from the suites that this machine uses, 5.10 from bullseye and its security
updates, newer series from trixie-backports. The mirrors are read from the machine's own apt
configuration. Nothing is installed, and apt's own state is not touched: lists and archives live in
the cache.

usage: tools/kernels.py [SERIES]...      all series when none is named; prints one line for each
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

OWN = "own"
BULLSEYE = "bullseye"
BACKPORTS = "trixie-backports"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Series -> what its packages are called; the first group is what orders them.
OWN_SUITES = {
    "6.1": r"linux-image-6\.1\.0-([0-9]+)-cloud-amd64",
    "6.12": r"linux-image-6\.12\.([0-9]+)\+deb[0-9]+-cloud-amd64",
}
FROM_BULLSEYE = {"5.10": r"linux-image-5\.10\.0-([0-9]+)-cloud-amd64"}
# Up to 6.18 the image is in the package that later only depends on it.
FROM_BACKPORTS = {
    series: rf"linux-{kind}-{re.escape(series)}\.([0-9]+)\+deb[0-9]+-cloud-amd64"
    for kind, names in (
        ("image", ("6.16", "6.17", "6.18")),
        ("binary", ("6.19", "7.0", "7.1", "7.2", "7.3")),
    )
    for series in names
}
GROUPS = {OWN: OWN_SUITES, BULLSEYE: FROM_BULLSEYE, BACKPORTS: FROM_BACKPORTS}
KERNELS = {series: name for group in GROUPS.values() for series, name in group.items()}


class Problem(Exception):
    """Why a kernel cannot be had; the text is for the user."""


class Source(NamedTuple):
    """What apt knows of a repository: its address, and what its packages are signed by."""

    uri: str
    signed_by: str


def cache_folder() -> Path:
    """The cache that vmalab looks for kernels in."""
    chosen = os.environ.get("VMALAB_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "vmalab"


def own_sources() -> list[Path]:
    """The files of this machine's apt configuration that name repositories."""
    folder = Path("/etc/apt/sources.list.d")
    listed = [Path("/etc/apt/sources.list")]
    listed += sorted(folder.glob("*.sources")) + sorted(folder.glob("*.list"))
    return [path for path in listed if path.is_file()]


def stanzas(text: str) -> list[dict[str, str]]:
    """The fields of each stanza of a deb822 file, by lower-case name."""
    found = []
    for block in re.split(r"\n\s*\n", text):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        fields = {
            name.strip().lower(): value.strip()
            for name, colon, value in (line.partition(":") for line in lines)
            if colon and not name.startswith((" ", "\t"))
        }
        if fields:
            found.append(fields)
    return found


def mirror(archive: str) -> Source:
    """The repository of an archive, "debian" or "debian-security", that this machine uses.

    Errors: Problem.
    """
    for path in own_sources():
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".sources":
            for fields in stanzas(text):
                for uri in fields.get("uris", "").split():
                    if uri.rstrip("/").endswith(f"/{archive}"):
                        return Source(uri, fields.get("signed-by", KEYRING))
        for match in re.finditer(r"^deb\s+(?:\[([^]]*)\]\s+)?(\S+)", text, re.M):
            if match[2].rstrip("/").endswith(f"/{archive}"):
                signed = re.search(r"signed-by=(\S+)", match[1] or "")
                return Source(match[2], signed[1] if signed else KEYRING)
    raise Problem(f"this machine's apt configuration names no mirror of {archive}")


def sources_of(group: str) -> str | None:
    """The lines of a sources.list for a group; None: the machine's own. Errors: Problem."""
    if group == OWN:
        return None
    suites = [("debian", group)]
    if group == BULLSEYE:
        suites.append(("debian-security", f"{BULLSEYE}-security"))
    lines = ""
    for archive, suite in suites:
        found = mirror(archive)
        lines += f"deb [signed-by={found.signed_by}] {found.uri} {suite} main\n"
    return lines


class Apt:
    """apt with state of its own, for one set of repositories."""

    def __init__(self, folder: Path, sources: str | None) -> None:
        """sources: lines of a sources.list, or None for the machine's own repositories."""
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        options = {
            "Dir::State::lists": str(folder / "lists"),
            "Dir::Cache": str(folder / "cache"),
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
        }
        if sources is not None:
            listed = folder / "sources.list"
            listed.write_text(sources, encoding="utf-8")
            options["Dir::Etc::sourcelist"] = str(listed)
            options["Dir::Etc::sourceparts"] = "/dev/null"
        self._options = [word for item in options.items() for word in ("-o", "=".join(item))]

    def run(self, tool: str, *words: str, cwd: Path | None = None) -> str:
        """Runs apt-get or apt-cache: what it prints. Errors: Problem."""
        command = [tool, *self._options, *words]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line.strip()]
            raise Problem(f"{tool} {words[0]}: {said[-1] if said else 'failed'}")
        return done.stdout

    def newest(self, pattern: str) -> str:
        """The package of that pattern with the highest first group. Errors: Problem."""
        listed = self.run("apt-cache", "search", "--names-only", f"^{pattern}$").splitlines()
        names = [line.split(" ", 1)[0] for line in listed]
        matches = [match for name in names if (match := re.fullmatch(pattern, name))]
        if not matches:
            raise Problem("no such package in the repositories")
        return max(matches, key=lambda match: int(match[1]))[0]


def extract(package: Path, into: Path) -> str:
    """Puts the vmlinuz of a package into a folder: its file's version. Errors: Problem."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["dpkg-deb", "-x", str(package), folder], check=True)
        found = sorted(Path(folder).glob("boot/vmlinuz-*"))
        found += sorted(Path(folder).glob("usr/lib/modules/*/vmlinuz"))
        found += sorted(Path(folder).glob("lib/modules/*/vmlinuz"))
        if not found:
            raise Problem(f"{package.name} holds no vmlinuz")
        image = found[0]
        version = image.name.removeprefix("vmlinuz-") if "-" in image.name else image.parent.name
        into.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, into / "vmlinuz.new")
        os.replace(into / "vmlinuz.new", into / "vmlinuz")
        (into / "version").write_text(version + "\n", encoding="utf-8")
        return version


def fetch(apt: Apt, series: str, cache: Path) -> str:
    """Makes sure that the newest kernel of a series is in the cache: a line about it."""
    package = apt.newest(KERNELS[series])
    into = cache / "kernels" / series
    marker = into / "package"
    if marker.is_file() and marker.read_text().strip() == package and (into / "vmlinuz").is_file():
        return f"{series}: {package} is there"
    with tempfile.TemporaryDirectory() as folder:
        apt.run("apt-get", "download", package, cwd=Path(folder))
        packages = list(Path(folder).glob("*.deb"))
        if len(packages) != 1:
            raise Problem(f"apt-get download {package} left {len(packages)} packages")
        version = extract(packages[0], into)
    marker.write_text(package + "\n", encoding="utf-8")
    return f"{series}: fetched {version}"


def main(wanted: list[str]) -> int:
    """Fetches; 0 when all of the wanted series are there."""
    unknown = [series for series in wanted if series not in KERNELS]
    if unknown:
        print(f"kernels: no such series: {', '.join(unknown)}", file=sys.stderr)
        return 2
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        print("kernels: needs apt-get and dpkg-deb (a Debian machine)", file=sys.stderr)
        return 2
    cache = cache_folder()
    status = 0
    for name, patterns in GROUPS.items():
        chosen = [series for series in patterns if series in wanted or not wanted]
        if not chosen:
            continue
        try:
            apt = Apt(cache / "apt" / name, sources_of(name))
            apt.run("apt-get", "update", "-q")
        except Problem as problem:
            print(f"kernels: {', '.join(chosen)} skipped: {problem}", file=sys.stderr)
            status = 1
            continue
        for series in chosen:
            try:
                print(fetch(apt, series, cache), flush=True)
            except (Problem, subprocess.CalledProcessError) as problem:
                print(f"kernels: {series} skipped: {problem}", file=sys.stderr)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
