# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel source tree is, whether it can be built here, and which of its files are linked."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from vmalab.targets.real.target_errors import TargetError

# What a tree's own build needs, and Debian's package of each.
REQUIREMENTS: Final = {
    "make": "make",
    "gcc": "gcc",
    "ld": "binutils",
    "nm": "binutils",
    "objcopy": "binutils",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "perl": "perl",
}
# Which of these there are is the tree's business: the VMA core has moved from file to file.
FILES: Final = (
    "mm/vma.c",
    "mm/vma_init.c",
    "mm/vma_exec.c",
    "mm/mmap.c",
    "mm/mremap.c",
    "mm/mprotect.c",
    "mm/madvise.c",
    "mm/mlock.c",
    "mm/mseal.c",
    "mm/msync.c",
    "mm/rmap.c",
    "mm/interval_tree.c",
    "mm/util.c",
    "mm/memfd.c",
    "mm/ksm.c",
    "mm/userfaultfd.c",
    "fs/userfaultfd.c",
    "kernel/sys.c",
    "lib/maple_tree.c",
    "lib/rbtree.c",
)
# Without these it is no tree that can be built.
_NEEDED: Final = ("Makefile", "Kconfig", "mm/mmap.c", "lib/maple_tree.c", "arch/um/Makefile")
_NUMBERS: Final = ("VERSION", "PATCHLEVEL", "SUBLEVEL")
# The oldest series with VMAs in a maple tree.
OLDEST: Final = (6, 1)


@final
@dataclass(frozen=True, slots=True)
class KernelTree:
    """A source tree. path: absolute; version: of its Makefile, three numbers; files: linked."""

    path: Path
    version: tuple[int, int, int]
    files: tuple[str, ...]

    @property
    def release(self) -> str:
        """The version as text, `6.12.3`."""
        return ".".join(str(number) for number in self.version)

    @property
    def objects(self) -> list[str]:
        """The objects to build, by their names for make."""
        return [name.removesuffix(".c") + ".o" for name in self.files]


def open_tree(name: str) -> KernelTree:
    """Return the tree at a path. Errors: TargetError, it is none or cannot be used."""
    path = Path(name).resolve()
    if not path.is_dir():
        raise TargetError(f"{name}: no such folder: a kernel source tree is needed")
    lacking = [one for one in _NEEDED if not (path / one).is_file()]
    if lacking:
        raise TargetError(f"{name}: no kernel source tree from 6.1 on: it has no {lacking[0]}")
    try:
        text = (path / "Makefile").read_text("utf-8", "replace")
    except OSError as error:
        raise TargetError(f"{path / 'Makefile'}: {error.strerror}") from None
    found = dict(re.findall(r"^([A-Z]+) *= *(\d+) *$", text, re.M))
    if not all(number in found for number in _NUMBERS):
        raise TargetError(f"{path / 'Makefile'}: it states no VERSION, PATCHLEVEL and SUBLEVEL")
    major, minor, patch = (int(found[number]) for number in _NUMBERS)
    if (major, minor) < OLDEST:
        raise TargetError(f"{name}: Linux {major}.{minor}: trees from 6.1 on can be tested")
    if (path / ".config").exists() or (path / "include/config").exists():
        raise TargetError(
            f"{name}: this tree was built in place, and its Makefile then refuses to build "
            "elsewhere: run `make ARCH=um mrproper` there, or name a clean `git worktree` of it"
        )
    return KernelTree(path, (major, minor, patch), tuple(f for f in FILES if (path / f).is_file()))


def check_requirements(names: Sequence[str] = tuple(REQUIREMENTS)) -> None:
    """Make sure that the programs of a build are there. Errors: TargetError names all missing."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        packages = sorted({REQUIREMENTS.get(name, name) for name in missing})
        raise TargetError(
            f"a kernel tree cannot be built: {', '.join(missing)} not found; install "
            f"{' '.join(packages)} (Debian's names)"
        )
