# SPDX-License-Identifier: GPL-2.0-or-later
"""The top row of a blame is the guilty line of the program's own source, however it is built."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cli.record.blamed import Program, needs, top

from vmalab.cli.blame import blame as command

HEAD = "#include <stdlib.h>\n#include <sys/mman.h>\n"
# Shared mappings never merge. The guilty line is marked.
GROW = """
{static}void *grow(int n)
{{
    char *p = mmap(0, 65536, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0); // guilty
    return p + n;
}}
"""
LOOP = "int main(void)\n{\n    for (int i = 0; i < 60; i++)\n        grow(i);\n    return 0;\n}\n"
INLINED = GROW.format(static="static inline __attribute__((always_inline)) ")


@needs("gcc")
@pytest.mark.parametrize(
    "flags",
    [
        ("-O0",),
        ("-O2",),
        *(
            pytest.param(flags, marks=pytest.mark.slow)
            for flags in (("-O2", "-no-pie"), ("-O2", "-static-pie"), ("-O1", "-gz=zlib"))
        ),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("inlined", [False, True], ids=["called", "inlined"])
def test_c(program: Program, flags: tuple[str, ...], inlined: bool) -> None:
    grow = INLINED if inlined else GROW.format(static="__attribute__((noinline)) ")
    program.source("x.c", HEAD + grow + LOOP)
    program.build("gcc", "-g", *flags, "-o", "x", "x.c")
    found = program.blame()
    assert top(found).startswith(f"x: grow at x.c:{program.line('x.c')}, mmap(")
    assert found["shares"]["file"][0]["cause"] == str(program.folder / "x.c")
    assert found["shares"]["function"][0]["cause"] == "x: grow"
    stack = found["stacks"][found["shares"]["site"][0]["example"]["stack"]]
    frame, caller = stack["frames"][stack["own"] :][:2]
    assert (frame["inlined"], caller["function"]) == (inlined, "main")


@needs("gcc", "strip")
@pytest.mark.parametrize(
    ("strip", "site", "why"),
    [(False, r"x: grow, mmap", "built without -g"), (True, r"x: 0x[0-9a-f]+, mmap", "stripped")],
    ids=["symbols", "stripped"],
)
def test_c_without_lines(program: Program, strip: bool, site: str, why: str) -> None:
    program.source("x.c", HEAD + GROW.format(static="__attribute__((noinline)) ") + LOOP)
    program.build("gcc", "-O1", "-o", "x", "x.c")
    if strip:
        program.build("strip", "x")
    found = program.blame()
    assert re.match(site, top(found))
    stack = found["stacks"][found["shares"]["site"][0]["example"]["stack"]]
    assert why in stack["frames"][stack["own"]]["why"]
    shown = CliRunner().invoke(command, [str(program.folder / "r")]).stdout
    assert why in " ".join(shown.split())


@needs("gcc")
def test_a_shared_library(program: Program) -> None:
    """It is to blame, or who calls it where it is passed over."""
    program.source("pool.c", HEAD + GROW.format(static=""))
    program.source("x.c", "void *grow(int n);\n" + LOOP)
    program.build("gcc", "-g", "-O2", "-shared", "-fPIC", "-o", "libpool.so.1", "pool.c")
    program.build("gcc", "-g", "-O2", "-o", "x", "x.c", "./libpool.so.1")
    guilty = program.line("pool.c")
    assert top(program.blame()).startswith(f"libpool.so.1: grow at pool.c:{guilty}, mmap(")
    shutil.rmtree(program.folder / "r")
    found = program.blame("--skip", "libpool")
    assert top(found).startswith(f"x: main at x.c:{program.line('x.c', 'grow(i)')}, mmap(")
    words = ["--skip", "libpool", str(program.folder / "r")]
    shown = CliRunner().invoke(command, words).stdout
    assert "by way of grow\n" in re.sub(" +\n", "\n", shown)
    words = ["--no-skip", "--frames", "6", str(program.folder / "r")]
    shown = " ".join(CliRunner().invoke(command, words).stdout.split())
    assert f"> libpool.so.1: grow at pool.c:{guilty} > x: main at x.c:" in shown


@needs("gcc")
def test_what_malloc_maps_is_of_who_asked_for_it(program: Program) -> None:
    text = HEAD + "char *all;\nint main(void)\n{\n"
    text += "    all = malloc(100); // guilty\n    return 0;\n}\n"
    program.source("x.c", text)
    program.build("gcc", "-g", "-O1", "-o", "x", "x.c")
    causes = [share["cause"] for share in program.blame("--at", "end")["shares"]["site"]]
    assert f"x: main at x.c:{program.line('x.c')}, brk" in causes
    words = ["--at", "end", "--top", "99", str(program.folder / "r")]
    shown = " ".join(CliRunner().invoke(command, words).stdout.split())
    assert re.search(r"x: main at x.c:\d+, brk by way of (libc.so.6|\w*malloc)", shown)


@needs("g++")
@pytest.mark.parametrize("flag", ["-O0", "-O2"])
def test_cplusplus(program: Program, flag: str) -> None:
    """Names as the source has them; the C++ library in between, inlined too, is passed over."""
    text = HEAD + "#include <functional>\n#include <vector>\nnamespace pool {\n"
    text += "template <class T> struct Arena {\n    std::vector<T *> all;\n"
    text += "    T *take(int n) {\n        std::function<void *()> make = [n] {\n"
    text += "            return mmap(0, n, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0); };\n"
    text += (
        "        all.push_back((T *)make()); // caller\n        return all.back();\n    }\n};\n}\n"
    )
    text += "int main()\n{\n    pool::Arena<int> arena;\n"
    text += "    for (int i = 0; i < 60; i++)\n        arena.take(65536);\n}\n"
    program.source("x.cc", text)
    program.build("g++", "-g", flag, "-o", "x", "x.cc")
    found = program.blame()
    lambda_at = f"x.cc:{program.line('x.cc', 'return mmap')}, mmap("
    assert re.match(r"x: pool::Arena<int>::take\(int\)::.*lambda.*::operator\(\)", top(found))
    assert lambda_at in top(found)
    stack = found["stacks"][found["shares"]["site"][0]["example"]["stack"]]
    own = [frame for frame in stack["frames"] if frame["source"].endswith("x.cc")]
    assert [(frame["function"], frame["line"]) for frame in own][1:2] == [
        ("pool::Arena<int>::take(int)", program.line("x.cc", "// caller"))
    ]


@needs("g++")
def test_cplusplus_without_lines(program: Program) -> None:
    text = HEAD + "namespace pool {\nstruct Arena {\n    void *grow(long n);\n};\n"
    text += "__attribute__((noinline)) void *Arena::grow(long n)\n{\n    char *p = (char *)mmap("
    text += "0, 65536, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);\n    return p + n;\n}\n}\n"
    text += "int main()\n{\n    pool::Arena arena;\n"
    text += "    for (long i = 0; i < 60; i++)\n        arena.grow(i);\n}\n"
    program.source("x.cc", text)
    program.build("g++", "-O1", "-o", "x", "x.cc")
    found = program.blame()
    assert top(found).startswith("x: pool::Arena::grow(long), mmap(")
    stack = found["stacks"][found["shares"]["site"][0]["example"]["stack"]]
    assert "built without -g" in stack["frames"][stack["own"]]["why"]


@needs("gcc")
def test_a_first_map_is_not_of_who_called_exec(program: Program) -> None:
    program.source("x.c", HEAD + GROW.format(static="") + LOOP)
    program.build("gcc", "-g", "-O1", "-o", "x", "x.c")
    program.blame(record=("sh", "-c", "exec ./x"))
    words = ["--top", "99", str(program.folder / "r")]
    lines = CliRunner().invoke(command, words).stdout.splitlines()
    (at,) = [index for index, line in enumerate(lines) if "exec (the program" in line]
    assert "by way of" not in lines[at + 1]


@needs("gcc")
def test_a_program_that_deletes_itself_has_names(program: Program) -> None:
    text = HEAD + "#include <unistd.h>\n" + GROW.format(static="__attribute__((noinline)) ")
    program.source("x.c", text + LOOP.replace("{\n", '{\n    unlink("x");\n', 1))
    program.build("gcc", "-g", "-O1", "-o", "x", "x.c")
    assert top(program.blame()).startswith(f"x: grow at x.c:{program.line('x.c')}, mmap(")
    assert not (program.folder / "x").exists()


@needs("gcc")
def test_names_cannot_steer_the_terminal(program: Program) -> None:
    program.source("x.c", '#line 1 "\\033[31m\\n.c"\n' + HEAD + INLINED + LOOP)
    program.build("gcc", "-g", "-O1", "-o", "x", "x.c")
    program.blame()
    for words in ([], ["--frames", "9"], ["--by", "file"], ["--all"]):
        done = CliRunner().invoke(command, [*words, str(program.folder / "r")])
        assert done.exit_code == 0
        assert "\x1b" not in done.stdout
    assert "[31m" in CliRunner().invoke(command, [str(program.folder / "r")]).stdout


@needs("gcc")
def test_without_the_libraries_the_reason_is_said(program: Program, tmp_path: Path) -> None:
    """A folder in front of all others, with modules that cannot be loaded."""
    program.source("x.c", HEAD + INLINED + LOOP)
    program.build("gcc", "-g", "-O1", "-o", "x", "x.c")
    for name in ("symbolic", "demangle"):
        (tmp_path / "without" / name).mkdir(parents=True)
        (tmp_path / "without" / name / "__init__.py").write_text("raise ImportError\n")
    path = os.pathsep.join([str(tmp_path / "without"), *sys.path])
    subprocess.run(
        [sys.executable, "-m", "vmalab.cli.main", "record", "-k", "-o", "r", "--", "./x"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        check=True,
        capture_output=True,
    )
    shown = CliRunner().invoke(command, [str(tmp_path / "r")]).stdout
    assert re.search(r"x: 0x[0-9a-f]+, *mmap", shown)
    assert "pip install 'vmalab[frames]'" in shown
