# SPDX-License-Identifier: GPL-2.0-or-later
"""A clean view of a git tree that was built in place: links to its files, in the cache.

The kernel's Makefile builds nothing outside of a tree that holds what a build in place has left.
The view has what git knows of, and new files that it does not ignore; an edit is seen through the
links.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from vmalab.targets.real.build import cache_folder
from vmalab.targets.real.target_errors import TargetError

# Left by a build in place: these keep the Makefile from building elsewhere.
BUILT: Final = (".config", "include/config", "arch/um/include/generated")
_X86: Final = "arch/x86/include/generated"
_LIST: Final = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")


def was_built_in_place(tree: Path) -> bool:
    """Return whether a tree holds what a build in it has left."""
    return any((tree / name).exists() for name in (*BUILT, _X86))


def shadow_of(tree: Path) -> Path:
    """Return the folder of a tree's clean view, as it is now. Errors: TargetError."""
    names = _listed(tree)
    key = hashlib.sha256(os.fsencode(tree)).hexdigest()[:16]
    folder = cache_folder() / "trees" / f"shadow-{key}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _update(tree, folder, names)
        finally:
            os.close(lock)
    except OSError as error:
        raise TargetError(f"{folder}: {error.strerror}") from None
    return folder / "linux"


def _listed(tree: Path) -> set[bytes]:
    """Return the files of a tree that are sources. Errors: TargetError, git does not know it."""
    words = ["git", "-C", str(tree), *_LIST]
    try:
        done = subprocess.run(words, capture_output=True, check=False)
        why = done.stderr.decode("utf-8", "replace").strip().splitlines()
    except OSError:
        raise _refusal(tree, "git not found") from None
    if done.returncode != 0:
        raise _refusal(tree, why[0] if why else "git lists no files")
    names = {name for name in done.stdout.split(b"\0") if name}
    if b"Makefile" not in names:
        raise _refusal(tree, "it ignores the tree's Makefile")
    return names


def _refusal(tree: Path, why: str) -> TargetError:
    return TargetError(
        f"{tree}: this tree was built in place, its Makefile then refuses to build elsewhere, and "
        f"git cannot tell sources from the rest ({why}): run `make ARCH=um mrproper` there"
    )


def _update(tree: Path, folder: Path, names: set[bytes]) -> None:
    """Make the links that are missing, remove those of files that are gone. Errors: OSError."""
    manifest = folder / "files"
    linked = set(manifest.read_bytes().split(b"\0")) if manifest.is_file() else set()
    root = os.fsencode(folder / "linux")
    if not linked:
        shutil.rmtree(root, ignore_errors=True)
    if names == linked:
        return
    # An update that is broken off begins anew.
    manifest.unlink(missing_ok=True)
    for name in linked - names:
        os.unlink(os.path.join(root, name))
    made: set[bytes] = set()
    for name in names - linked:
        place = os.path.dirname(name)
        if place not in made:
            os.makedirs(os.path.join(root, place), exist_ok=True)
            made.add(place)
        os.symlink(os.path.join(os.fsencode(tree), name), os.path.join(root, name))
    manifest.write_bytes(b"\0".join(sorted(names)))
