# SPDX-License-Identifier: GPL-2.0-or-later
"""The seam and the VMA core fit: nothing is offered or asked in vain, and all of it is listed."""

import shutil
from pathlib import Path

import pytest

from vmalab.testing.seams.seam_surface import (
    MAX_HOOKS,
    MM,
    core_modules,
    declared,
    methods_of,
    read_surface,
)

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "seam.md"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the core and its seam, for a test to break."""
    (tmp_path / "vma").mkdir()
    for path in [*core_modules(), MM / "vma_internal.py"]:
        shutil.copy(path, tmp_path / path.relative_to(MM))
    return tmp_path


def test_seam_and_core_fit() -> None:
    assert read_surface().complaints() == []


def test_page_on_the_seam_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == read_surface().page(), (
        "write it anew: python -m vmalab.testing.seams.seam_surface > docs/reference/seam.md"
    )


def test_every_hook_is_of_one_kind_and_listed() -> None:
    surface = read_surface()
    assert 20 < len(surface.hooks) <= MAX_HOOKS
    page = surface.page()
    assert [hook.name for hook in surface.hooks if f"| `{hook.name}` |" not in page] == []


def test_every_hook_is_declared_and_carried_out() -> None:
    assert list(methods_of(declared())) == [hook.name for hook in read_surface().hooks]


def test_a_copy_of_the_core_fits_as_well(copy: Path) -> None:
    assert read_surface(copy) == read_surface()


def add(path: Path, text: str) -> None:
    """Append lines to a source file."""
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def test_a_method_that_nobody_uses_is_found(copy: Path) -> None:
    add(copy / "vma_internal.py", '\n    def spare(self) -> None:\n        """Same: nothing."""\n')
    assert read_surface(copy).complaints() == ["spare: nobody uses this hook"]


def test_a_name_that_nobody_uses_is_found(copy: Path) -> None:
    path = copy / "vma_internal.py"
    path.write_text(
        path.read_text("utf-8").replace('    "EFAULT",\n', '    "EFAULT",\n    "EXDEV",\n')
    )
    assert read_surface(copy).complaints() == ["EXDEV: nobody uses this name"]


@pytest.mark.parametrize("asked", ["seam.hook(1)", "mm.seam.hook(1)", "vma.vm_mm.seam.hook(1)"])
def test_a_method_that_the_seam_does_not_have_is_found(copy: Path, asked: str) -> None:
    add(copy / "vma" / "split.py", f"\n\ndef broken(seam, mm, vma):\n    {asked}\n")
    assert read_surface(copy).complaints() == ["split: hook: the seam does not offer this"]


def test_a_name_that_the_seam_does_not_offer_is_found(copy: Path) -> None:
    add(copy / "vma_init.py", "\nfrom vmalab.linux.mm.vma_internal import OVERCOMMIT_GUESS\n")
    assert read_surface(copy).complaints() == [
        "vma_init: OVERCOMMIT_GUESS: the seam does not offer this"
    ]


@pytest.mark.parametrize(
    ("line", "module"),
    [
        ("from vmalab.linux.mm.rmap import anon_vma_clone", "vmalab.linux.mm.rmap"),
        ("from vmalab.linux.include.uapi.errno import ENOMEM", "vmalab.linux.include.uapi.errno"),
        ("import sys", "sys"),
        ("from . import split", "."),
    ],
)
def test_an_import_past_the_seam_is_found(copy: Path, line: str, module: str) -> None:
    add(copy / "vma_exec.py", f"\n{line}\n")
    assert read_surface(copy).complaints() == [
        f"vma_exec: {module}: the core imports the seam and itself only"
    ]


@pytest.mark.parametrize("fine", ["from typing import Final", "from mypy_extensions import i64"])
def test_types_may_be_imported(copy: Path, fine: str) -> None:
    add(copy / "vma_exec.py", f"\n{fine}\n")
    assert read_surface(copy).complaints() == []


def test_a_hook_of_no_kind_is_found(copy: Path) -> None:
    path = copy / "vma_internal.py"
    path.write_text(path.read_text("utf-8").replace('"""Same: take a reference.', '"""Take one.'))
    assert read_surface(copy).complaints() == [
        "get_file: the docstring does not begin with Custom, Same or Stub"
    ]


def test_a_stub_without_a_reason_is_found(copy: Path) -> None:
    path = copy / "vma_internal.py"
    text = path.read_text("utf-8")
    reason = "chains do not depend on the range, so nothing has to go back in."
    assert reason in text
    path.write_text(text.replace(reason, "see above."), "utf-8")
    assert read_surface(copy).complaints() == [
        "anon_vma_interval_tree_post_update_vma: a stub says why it may do nothing"
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("vma.vm_ops.may_split(vma, 0)", "may_split()"),
        ("file.inode.i_mapping.map_writable()", "map_writable()"),
        ("mapping.i_mmap_writable += 1", ".i_mmap_writable ="),
        ("mapping.i_mmap_locked = True", ".i_mmap_locked ="),
        ("file.f_count -= 1", ".f_count ="),
        ("mapping.i_mmap.remove(vma.shared)", "remove()"),
        ("mm.page_tables.unmap(0, 1, 2, 3)", "unmap()"),
        ("mm.kernel.committed_as, mm.brk = 1, 2", ".committed_as ="),
    ],
)
def test_a_walk_past_the_seam_is_found(copy: Path, line: str, what: str) -> None:
    add(copy / "vma" / "split.py", f"\n\ndef broken(mm, vma, file, mapping):\n    {line}\n")
    assert read_surface(copy).complaints() == [f"split: {what}: walks past the seam"]


def test_too_many_hooks_are_found(copy: Path) -> None:
    more = range(MAX_HOOKS + 1 - len(read_surface().hooks))
    add(copy / "vma_init.py", "\n\ndef broken(seam):\n    pass\n")
    for number in more:
        hook = f'\n    def spare_{number}(self) -> None:\n        """Same: nothing."""\n'
        add(copy / "vma_internal.py", hook)
        add(copy / "vma_init.py", f"    seam.spare_{number}()\n")
    assert read_surface(copy).complaints() == [f"{MAX_HOOKS + 1} hooks are more than {MAX_HOOKS}"]
