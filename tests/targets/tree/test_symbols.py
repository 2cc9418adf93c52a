# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses in last words become names of functions."""

import subprocess
from pathlib import Path

from vmalab.targets.tree.symbols import Symbols


def test_addresses_become_names_without_our_own(tmp_path: Path) -> None:
    source, program = tmp_path / "p.c", tmp_path / "p"
    source.write_text(
        "int vmalab_die(void) { return 1; } int merge(void) { return 2; } int main() {}"
    )
    subprocess.run(["gcc", "-no-pie", "-O0", "-o", str(program), str(source)], check=True)
    listed = subprocess.run(["nm", str(program)], capture_output=True, text=True, check=True)
    places = {line.split()[-1]: line.split()[0] for line in listed.stdout.splitlines()}
    words = f"WARNING at mm/vma.c:7 [0x{places['vmalab_die']}] [0x{places['merge']}] [0x{1:x}]"
    assert Symbols(program).translate(words) == "WARNING at mm/vma.c:7 [in merge]"


def test_words_without_addresses_stay_as_they_are(tmp_path: Path) -> None:
    assert Symbols(tmp_path / "none").translate("2 objects of anon_vma leak") == (
        "2 objects of anon_vma leak"
    )
