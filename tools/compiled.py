# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the package with its engine compiled, as a tree that can be imported, below build.

usage: python tools/compiled.py                  build/compiled, soon there: to test
       python tools/compiled.py --optimised      build/optimised, as in a wheel: to measure

Run it from the top of the source tree. A tree holds the sources too. It is selected by, say,
PYTHONPATH=build/compiled, never by installing it. Nothing is done where the tree is that of these
sources, this Python and these options. While a new one is built the old one stays usable. Prints
the path of the tree. Ends with 3, and says why, where nothing can be compiled; a tree of old
sources is not left to be taken for one then.
"""

import argparse
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from backend import why_not

BUILD = Path("build")
# What else decides how it is compiled.
BUILDERS = [Path("tools", name) for name in ("backend.py", "build_ext.py", "training.py")]
CANNOT = 3
# Build trees of a kind that are kept, the newest ones: something may still run from an older one.
KEPT = 3
# The kinds of tree, and the compiler's -O for each; "": all that setup.py knows. The tests take
# 6 % longer with an engine of -O0, and compiling it less than half the time.
LEVELS = {"compiled": "0", "optimised": ""}


def key(environment: dict[str, str]) -> str:
    """What the tree depends on, as a short text."""
    digest = hashlib.sha256()
    options = [
        environment.get(name, "") for name in ("CC", "CFLAGS", "VMALAB_OPTIMISE", "VMALAB_DEBUG")
    ]
    digest.update(repr((sys.version, version("mypy"), version("librt"), options)).encode())
    package = (path for path in Path("src/vmalab").rglob("*") if "__pycache__" not in path.parts)
    for path in sorted([*package, Path("setup.py"), *BUILDERS]):
        if path.is_file():
            digest.update(f"{path}\0".encode() + path.read_bytes())
    return f"{sys.implementation.cache_tag}-{digest.hexdigest()[:16]}"


def show_progress(lines: Iterable[str]) -> None:
    """Show the last line of what a build says of itself, where somebody looks on."""
    for line in lines:
        if sys.stderr.isatty():
            print(f"\r\x1b[Kvmalab: {line.rstrip()}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def build(tree: Path, kind: str, environment: dict[str, str]) -> None:
    """Builds a tree; ends the program, with what the compilers said, where that fails."""
    new = tree.with_name(f"{tree.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    log = BUILD / "compiled.log"
    print(f"vmalab: compiling the engine; {log} has the details", file=sys.stderr)
    # Each kind keeps its object files, so that neither has the other compile all of its own again.
    objects = BUILD / f"objects-{kind}-{sys.implementation.cache_tag}"
    command = [sys.executable, "setup.py", "--quiet", "build", f"--build-lib={new}"]
    command.append(f"--build-temp={objects}")
    began = time.monotonic()
    told, tells = os.pipe()
    with log.open("wb") as output:
        building = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**environment, "VMALAB_PROGRESS": str(tells)},
            pass_fds=(tells,),
        )
    os.close(tells)
    with open(told, encoding="utf-8") as lines:
        show_progress(lines)
    status = building.wait()
    if status or not list(new.glob("vmalab__mypyc.*")):
        tail = log.read_text("utf-8", "replace").splitlines()[-20:]
        sys.exit("\n".join([*tail, "vmalab: the engine could not be compiled (see above)"]))
    shutil.rmtree(tree, ignore_errors=True)
    new.rename(tree)
    print(f"vmalab: compiled the engine in {time.monotonic() - began:.0f} s", file=sys.stderr)


def select(tree: Path, kind: str) -> None:
    """Lets the kind's name lead to the tree, and removes trees that nobody needs any more."""
    link = BUILD / f"{kind}.link"
    link.unlink(missing_ok=True)
    link.symlink_to(tree.name)
    link.rename(BUILD / kind)
    trees = sorted(BUILD.glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in trees[KEPT:]:
        shutil.rmtree(old)


def main() -> None:
    """Builds the tree, one process at a time."""
    parser = argparse.ArgumentParser(description="Compile the engine into a tree of its own.")
    parser.add_argument("--optimised", action="store_true", help="as a wheel is: takes longer")
    kind = "optimised" if parser.parse_args().optimised else "compiled"
    BUILD.mkdir(exist_ok=True)
    reason = why_not()
    if reason:
        (BUILD / kind).unlink(missing_ok=True)
        print(f"vmalab: the engine is not compiled: {reason}", file=sys.stderr)
        sys.exit(CANNOT)
    environment = {"VMALAB_OPTIMISE": LEVELS[kind], **os.environ}
    with (BUILD / "compiled.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tree = BUILD / f"{kind}-{key(environment)}"
        if not tree.is_dir():
            build(tree, kind, environment)
        tree.touch()
        select(tree, kind)
    print(BUILD / kind)


if __name__ == "__main__":
    main()
