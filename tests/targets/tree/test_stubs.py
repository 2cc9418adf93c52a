# SPDX-License-Identifier: GPL-2.0-or-later
"""Generated stubs answer 0 and count their calls; data is zero. Built with the C compiler alone."""

import subprocess
from pathlib import Path

import pytest

from vmalab.targets.tree.stubs import Stubs, assembly, undefined_symbols

PROGRAM = """
#include <stdio.h>
extern unsigned long vmalab_stub_calls[], vmalab_stub_count;
extern const char *const vmalab_stub_names[];
long first(void), second(int);
extern int table[4];
int main(void)
{
    long sum = first() + second(7) + second(8) + table[3];
    for (unsigned long i = 0; i < vmalab_stub_count; i++)
        printf("%s %lu\\n", vmalab_stub_names[i], vmalab_stub_calls[i]);
    return (int)sum;
}
"""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """Return an object that uses two functions and a table which nobody defines."""
    source = tmp_path / "unit.c"
    source.write_text(PROGRAM)
    command = ["gcc", "-fno-pie", "-c", "-o", str(tmp_path / "unit.o"), str(source)]
    subprocess.run(command, check=True)
    return tmp_path / "unit.o"


def test_symbols_that_nobody_defines_are_found(unit: Path, tmp_path: Path) -> None:
    found = undefined_symbols([unit], tmp_path)
    assert {"first", "second", "table"} <= found
    assert "main" not in found


def test_stubs_answer_zero_and_count_their_calls(unit: Path, tmp_path: Path) -> None:
    source = tmp_path / "stubs.S"
    source.write_text(assembly(Stubs(("first", "second", "unused"), ("table",))))
    program = tmp_path / "program"
    command = ["gcc", "-no-pie", "-o", str(program), str(unit), str(source)]
    subprocess.run(command, check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    assert done.stdout == "first 1\nsecond 2\nunused 0\n"
