# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the package with its engine compiled, as a tree that can be imported, in build/compiled.

usage: python tools/compiled.py      from the top of the source tree

The tree holds the sources too. It is selected by PYTHONPATH=build/compiled, never by installing it.
Nothing is done where the tree is that of these sources, this Python and these options. While a new
one is built the old one stays usable. Prints the path of the tree. Ends with 3, and says why, where
nothing can be compiled; a tree of old sources is not left to be taken for one then.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from backend import why_not

BUILD = Path("build")
CANNOT = 3
# Build trees that are kept, the newest ones: something may still run from an older one.
KEPT = 3


def key() -> str:
    """What the tree depends on, as a short text."""
    digest = hashlib.sha256()
    options = [
        os.environ.get(name, "") for name in ("CC", "CFLAGS", "VMALAB_OPTIMISE", "VMALAB_DEBUG")
    ]
    digest.update(repr((sys.version, version("mypy"), version("librt"), options)).encode())
    package = (path for path in Path("src/vmalab").rglob("*") if "__pycache__" not in path.parts)
    for path in sorted([*package, Path("setup.py"), Path("tools/backend.py")]):
        if path.is_file():
            digest.update(f"{path}\0".encode() + path.read_bytes())
    return f"{sys.implementation.cache_tag}-{digest.hexdigest()[:16]}"


def build(tree: Path) -> None:
    """Builds a tree; ends the program, with what the compilers said, where that fails."""
    new = tree.with_name(f"{tree.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    log = BUILD / "compiled.log"
    print(f"vmalab: compiling the engine; {log} has the details", file=sys.stderr)
    command = [sys.executable, "setup.py", "--quiet", "build", f"--build-lib={new}"]
    with log.open("wb") as output:
        ended = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    if ended.returncode or not list(new.glob("vmalab__mypyc.*")):
        tail = log.read_text("utf-8", "replace").splitlines()[-20:]
        sys.exit("\n".join([*tail, "vmalab: the engine could not be compiled (see above)"]))
    shutil.rmtree(tree, ignore_errors=True)
    new.rename(tree)


def select(tree: Path) -> None:
    """Lets build/compiled lead to the tree, and removes trees that nobody needs any more."""
    link = BUILD / "compiled.link"
    link.unlink(missing_ok=True)
    link.symlink_to(tree.name)
    link.rename(BUILD / "compiled")
    trees = sorted(BUILD.glob("compiled-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in trees[KEPT:]:
        shutil.rmtree(old)


def main() -> None:
    """Builds the tree, one process at a time."""
    BUILD.mkdir(exist_ok=True)
    reason = why_not()
    if reason:
        (BUILD / "compiled").unlink(missing_ok=True)
        print(f"vmalab: the engine is not compiled: {reason}", file=sys.stderr)
        sys.exit(CANNOT)
    with (BUILD / "compiled.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tree = BUILD / f"compiled-{key()}"
        if not tree.is_dir():
            build(tree)
        tree.touch()
        select(tree)
    print(BUILD / "compiled")


if __name__ == "__main__":
    main()
