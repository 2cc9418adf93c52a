# SPDX-License-Identifier: GPL-2.0-or-later
"""Every source file says under which licence it stands and what it is for, before anything else."""

import ast
from pathlib import Path

SPDX = "# SPDX-License-Identifier: GPL-2.0-or-later"


def test_source_opens_with_licence_then_docstring(root: Path, source_file: Path) -> None:
    lines = (root / source_file).read_text("utf-8").splitlines()
    lines = lines[1:] if lines and lines[0].startswith("#!") else lines
    assert lines[:1] == [SPDX]
    assert lines[1:2], "nothing follows the licence"
    assert lines[1].startswith(('"""', 'r"""')), "the docstring stands right below the licence"


def test_docstring_opens_with_a_sentence(root: Path, source_file: Path) -> None:
    docstring = ast.get_docstring(ast.parse((root / source_file).read_text("utf-8")))
    assert docstring, "no docstring"
    opening = " ".join(docstring.split("\n\n")[0].split())
    assert opening.endswith((".", ":")), f"not a sentence: {opening!r}"
    assert len(opening.split()) >= 4, f"says too little: {opening!r}"


def test_scripts_state_their_licence(root: Path, files: list[str]) -> None:
    scripts = [name for name in files if name.endswith(".sh") or name in (".ci/run", "Makefile")]
    assert scripts
    bare = [name for name in scripts if SPDX not in (root / name).read_text("utf-8")[:200]]
    assert bare == []


def test_licence_is_gpl_version_2(root: Path) -> None:
    text = (root / "LICENSE").read_text("utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in text
    assert "Version 2, June 1991" in text
    assert "END OF TERMS AND CONDITIONS" in text
