# SPDX-License-Identifier: GPL-2.0-or-later
"""The top row of a blame is the guilty line of the program's own source, however it is built."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vmalab.cli.blame import blame as command

Run = Callable[..., subprocess.CompletedProcess[str]]

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


class Program:
    """A program that is built, recorded and blamed."""

    def __init__(self, record: Run, folder: Path) -> None:
        self._record = record
        self.folder = folder

    def source(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return name

    def build(self, *words: str) -> None:
        subprocess.run(words, cwd=self.folder, check=True, capture_output=True)

    def blame(self, *words: str, record: tuple[str, ...] = ("./x",)) -> dict[str, Any]:
        done = self._record("-k", "--", *record)
        assert done.returncode == 0, done.stderr
        found = CliRunner().invoke(command, ["--json", *words, str(self.folder / "r")])
        assert found.exit_code == 0, found.output
        answer: dict[str, Any] = json.loads(found.stdout)
        return answer

    def line(self, name: str, what: str = "// guilty") -> int:
        lines = (self.folder / name).read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if what in line)


@pytest.fixture
def program(record: Run, tmp_path: Path) -> Program:
    return Program(record, tmp_path)


def needs(*commands: str) -> pytest.MarkDecorator:
    missing = [name for name in commands if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not on this machine: {', '.join(missing)}")


def top(found: dict[str, Any]) -> str:
    """The place of the program in the first row."""
    share = found["shares"]["site"][0]
    assert 50 <= share["vmas"] <= 60
    return str(share["cause"])


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


@needs("rustc")
def test_rust(program: Program) -> None:
    text = 'extern "C" { fn mmap(p: *mut u8, n: usize, prot: i32, flags: i32, fd: i32, at: i64)\n'
    text += "    -> *mut u8; }\nmod pool {\n    use std::ptr::null_mut;\n    #[inline(never)]\n"
    text += "    pub fn grow(n: usize) -> usize {\n        unsafe {\n"
    text += "            super::mmap(null_mut(), n, 1, 0x21, -1, 0) as usize + n // guilty\n"
    text += "        }\n    }\n}\nfn main() {\n"
    text += "    (0..60).for_each(|_| _ = std::hint::black_box(pool::grow(65536)));\n}\n"
    program.source("x.rs", text)
    program.build("rustc", "-g", "-O", "-o", "x", "x.rs")
    place = f"x: x::pool::grow at x.rs:{program.line('x.rs')}, mmap("
    assert top(program.blame()).startswith(place)


JIT = """
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* push %rbp; mov %rsp, %rbp; call *0x10(%rbp); pop %rbp; ret: calls its seventh argument. */
static const unsigned char made[] = { 0x55, 0x48, 0x89, 0xe5, 0xff, 0x55, 0x10, 0x5d, 0xc3 };
typedef void *call(void *, size_t, int, int, int, long, void *);
int main(int argc, char **argv)
{
    int rights = PROT_READ | PROT_WRITE | PROT_EXEC;
    char *code = mmap(0, 4096, rights, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char name[64];
    memcpy(code, made, sizeof(made));
    sprintf(name, "/tmp/perf-%d.map", getpid());
    if (argc > 1) {
        FILE *map = fopen(name, "w");
        fprintf(map, "%lx %zx %s\\n", (long)code, sizeof(made), argv[1]);
        fclose(map);
    }
    for (int i = 0; i < 60; i++)
        ((call *)code)(0, 65536, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0, mmap);
    return 0;
}
"""


@pytest.fixture
def jit(program: Program) -> Iterator[Program]:
    """A program that writes code, and a map of it where it is given a name."""
    program.source("x.c", JIT)
    program.build("gcc", "-g", "-O1", "-o", "x", "x.c")
    yield program
    for image in (program.folder / "r/images").iterdir():
        Path(f"/tmp/perf-{image.name.partition('.')[0]}.map").unlink(missing_ok=True)


@needs("gcc")
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("py::grow:/srv/app.py", "(JIT): grow at app.py, mmap("),
        ("void app.Pool.grow(int)", "(JIT): void app.Pool.grow(int), mmap("),
        ("JS:*grow /srv/app.js:12:5", "(JIT): grow at app.js:12, mmap("),
        ("int java.util.List.size()", "x: main at x.c:"),
    ],
)
def test_code_that_a_program_writes_has_names(jit: Program, name: str, place: str) -> None:
    assert top(jit.blame(record=("./x", name))).startswith(place)


@needs("gcc")
def test_code_without_a_map_is_named_by_who_calls_it(jit: Program) -> None:
    found = jit.blame()
    assert top(found).startswith("x: main at x.c:")
    stack = found["stacks"][found["shares"]["site"][0]["example"]["stack"]]
    (frame,) = [frame for frame in stack["frames"] if frame["library"] == "(JIT)"]
    assert "no /tmp/perf-PID.map" in frame["why"]


@pytest.mark.slow
@needs("java", "javac")
def test_java(program: Program) -> None:
    text = "import java.nio.*;\nimport java.nio.channels.*;\nimport java.nio.file.*;\n"
    text += "import java.util.*;\nclass Pool {\n    static List<Buffer> all = new ArrayList<>();\n"
    text += "    static void grow(FileChannel file, int n) throws Exception {\n"
    text += "        all.add(file.map(FileChannel.MapMode.READ_ONLY, 0, 4096 * (n + 1)));\n    }\n"
    text += "    public static void main(String[] words) throws Exception {\n"
    text += '        Path path = Path.of("index");\n        Files.write(path, new byte[1 << 19]);\n'
    text += "        FileChannel file = FileChannel.open(path);\n"
    text += "        for (int i = 0; i < 60; i++) grow(file, i);\n    }\n}\n"
    program.source("Pool.java", text)
    program.build("javac", "Pool.java")
    words = ["-XX:+UnlockDiagnosticVMOptions", "-XX:+DumpPerfMapAtExit", "-XX:+UseSerialGC"]
    words += ["-XX:+PreserveFramePointer", "-XX:TieredStopAtLevel=1", "-Xcomp"]
    # The map knows nothing of inlined methods.
    words += ["-XX:CompileCommand=quiet", "-XX:CompileCommand=dontinline,Pool::grow", "Pool"]
    found = program.blame(record=("java", *words))
    for image in (program.folder / "r/images").iterdir():
        Path(f"/tmp/perf-{image.name.partition('.')[0]}.map").unlink(missing_ok=True)
    mapped = {share["cause"]: share["vmas"] for share in found["shares"]["mapping"]}
    assert mapped[str(program.folder / "index")] == 60
    share = found["shares"]["site"][0]
    assert share["cause"].startswith("(JIT): void Pool.grow(java.nio.channels.FileChannel, int), ")
    assert share["vmas"] >= 55


PYTHONS = [sys.executable, "/usr/bin/python3"]


@pytest.mark.parametrize("python", PYTHONS)
def test_python(program: Program, python: str) -> None:
    if not os.access(python, os.X_OK):
        pytest.skip(f"not on this machine: {python}")
    words = [python, "-c", "import sys; print(sys.version_info[:2] in [(3, 11), (3, 12), (3, 13)])"]
    if subprocess.run(words, check=True, capture_output=True, text=True).stdout != "True\n":
        pytest.skip(f"{python} is not of a version whose frames are read")
    text = "import mmap\n\nALL = []\n\n\ndef grow(n):\n    size = 65536 + n\n"
    text += "    ALL.append(\n        mmap.mmap(-1, size)  # guilty\n    )\n\n\n"
    text += (
        "def each():\n    for at in range(60):\n        grow(at)  # caller\n        yield at\n\n\n"
    )
    text += "print(len(list(each())))\n"
    program.source("x\u00e9.py", text)
    found = program.blame(record=(python, "x\u00e9.py"))
    guilty = program.line("x\u00e9.py", "# guilty")
    assert top(found).startswith(f"x\u00e9.py: grow at x\u00e9.py:{guilty}, mmap(")
    stack = found["stacks"][found["shares"]["site"][0]["example"]["stack"]]
    frames = [frame for frame in stack["frames"] if frame["library"] == "x\u00e9.py"]
    assert [(frame["function"], frame["line"]) for frame in frames] == [
        ("grow", guilty),
        ("each", program.line("x\u00e9.py", "# caller")),
        ("<module>", program.line("x\u00e9.py", "print(")),
    ]


@needs("node")
def test_node(program: Program) -> None:
    text = "const all = [];\nfunction grow(n) {\n"
    text += "  all.push(new WebAssembly.Memory({ initial: 1 }));\n  return n;\n}\n"
    text += "for (let i = 0; i < 30; i++) grow(i);\n"
    program.source("x.js", text)
    words = ("--perf-basic-prof", "--interpreted-frames-native-stack", "x.js")
    found = program.blame(record=("node", *words))
    for image in (program.folder / "r/images").iterdir():
        Path(f"/tmp/perf-{image.name.partition('.')[0]}.map").unlink(missing_ok=True)
    share = found["shares"]["site"][0]
    assert share["cause"].startswith(f"(JIT): grow at x.js:{program.line('x.js', 'grow(n) {')}, ")
    assert share["vmas"] >= 30


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
