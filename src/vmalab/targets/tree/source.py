# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel source tree is, whether it can be built here, and which of its files are linked."""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.tree.shadow import shadow_of, was_built_in_place

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
_NEEDED: Final = ("Kconfig", "mm/mmap.c", "lib/maple_tree.c", "arch/um/Makefile")
_NUMBERS: Final = ("VERSION", "PATCHLEVEL", "SUBLEVEL")
# What the kernel's own Makefile refuses in a path.
_UNUSABLE: Final = re.compile(r"[\s:]")
# The oldest series with VMAs in a maple tree.
OLDEST: Final = (6, 1)


@final
@dataclass(frozen=True, slots=True)
class KernelTree:
    """A source tree. path: absolute; version: of its Makefile, three numbers; files: linked.

    origin: the folder that was named; `path` is another where that one was built in place.
    """

    path: Path
    version: tuple[int, int, int]
    files: tuple[str, ...]
    origin: Path

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
    shown = name or str(path)
    if not path.is_dir():
        raise TargetError(f"{shown}: no such folder: a kernel source tree is needed")
    version = _version_of(path, shown)
    if version[:2] < OLDEST:
        raise TargetError(
            f"{shown}: Linux {version[0]}.{version[1]}: trees from 6.1 on can be tested"
        )
    lacking = [one for one in _NEEDED if not (path / one).is_file()]
    if lacking:
        raise TargetError(f"{shown}: no kernel source tree from 6.1 on: it has no {lacking[0]}")
    if _UNUSABLE.search(str(path)):
        raise TargetError(
            f"{shown}: the kernel's build takes no path with spaces or colons: move the tree, or "
            "give it another name with `mount --bind`"
        )
    clean = shadow_of(path) if was_built_in_place(path) else path
    files = tuple(file for file in FILES if (path / file).is_file())
    return KernelTree(clean, version, files, path)


def _version_of(path: Path, shown: str) -> tuple[int, int, int]:
    """Return the version that a Makefile states. Errors: TargetError."""
    makefile = path / "Makefile"
    if not makefile.is_file():
        raise TargetError(f"{shown}: no kernel source tree from 6.1 on: it has no Makefile")
    try:
        text = makefile.read_text("utf-8", "replace")
    except OSError as error:
        raise TargetError(f"{makefile}: {error.strerror}") from None
    found = dict(re.findall(r"^([A-Z]+) *= *(\d{1,6}) *$", text, re.M))
    if not all(number in found for number in _NUMBERS):
        raise TargetError(f"{makefile}: it states no VERSION, PATCHLEVEL and SUBLEVEL")
    major, minor, patch = (int(found[number]) for number in _NUMBERS)
    return major, minor, patch


def check_requirements(names: Sequence[str] = tuple(REQUIREMENTS)) -> None:
    """Make sure that the programs of a build are there. Errors: TargetError names all missing."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        packages = sorted({REQUIREMENTS.get(name, name) for name in missing})
        raise TargetError(
            f"a kernel tree cannot be built: {', '.join(missing)} not found; install "
            f"{' '.join(packages)} (Debian's names)"
        )
