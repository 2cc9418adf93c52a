# SPDX-License-Identifier: GPL-2.0-or-later
"""The top row of a blame is the guilty line whatever the program's language, and compiled when."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cli.record.blamed import Program, needs, top

from vmalab.cli.blame import blame as command


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


GO_HEAD = "package main\n\n{imports}var all [][]byte\n\n//go:noinline\nfunc grow(n int) {{\n"
GO_LOOP = "}\n\nfunc main() {\n\tfor i := 0; i < 60; i++ {\n\t\tgrow(i)\n\t}\n}\n"


@pytest.fixture
def go(program: Program) -> Iterator[Callable[[str, str], Program]]:
    """Builds a program of Go: what it imports, and what its function does."""

    def build(imports: str, does: str) -> Program:
        program.source("x.go", GO_HEAD.format(imports=imports) + does + GO_LOOP)
        words = ["go", "build", "-o", "x", "x.go"]
        cache = {"GOCACHE": str(program.folder / "cache"), "GO111MODULE": "off", "HOME": "/"}
        subprocess.run(
            words, cwd=program.folder, check=True, capture_output=True, env=os.environ | cache
        )
        return program

    return build


@pytest.mark.slow
@needs("go")
def test_go(go: Callable[[str, str], Program]) -> None:
    does = "\tp, err := syscall.Mmap(-1, 0, 65536, syscall.PROT_READ, "
    does += "syscall.MAP_SHARED|syscall.MAP_ANON) // guilty\n"
    does += "\tif err != nil {\n\t\tpanic(err)\n\t}\n\tall = append(all, p)\n"
    program = go('import "syscall"\n\n', does)
    place = f"x: main.grow at x.go:{program.line('x.go')}, mmap("
    assert top(program.blame()).startswith(place)
    shown = CliRunner().invoke(command, [str(program.folder / "r")]).stdout
    assert "by way of syscall.Mmap, syscall.(*mmapper).Mmap, " in " ".join(shown.split())


@pytest.mark.slow
@needs("go")
def test_what_the_runtime_of_go_maps_is_of_who_asked_for_it(
    go: Callable[[str, str], Program],
) -> None:
    """It does so on a stack of its own; the way back to the program's is by frame pointers."""
    program = go("", "\tall = append(all, make([]byte, 64<<20)) // guilty\n")
    found = program.blame("--top", "99")
    place = f"x: main.grow at x.go:{program.line('x.go')}, "
    stack = found["stacks"][found["shares"]["function"][0]["example"]["stack"]]
    names = [frame["function"] for frame in stack["frames"]]
    assert found["shares"]["function"][0]["cause"] == "x: main.grow"
    assert names[0].startswith("runtime.")
    assert names.index("runtime.mallocgc") < names.index("main.grow") < names.index("main.main")
    assert any(share["cause"].startswith(place) for share in found["shares"]["site"])


@pytest.mark.slow
@needs("redis-server")
def test_redis(program: Program) -> None:
    """It makes its threads, and then gives up: its database is none."""
    program.source("dump.rdb", "none")
    words = ("redis-server", "--port", "0", "--unixsocket", "socket", "--io-threads", "40")
    found = program.blame(record=words, status=1)
    share = found["shares"]["site"][0]
    # Each thread has a stack and its guard. Lines where the machine has its debug file.
    place = r"redis-\S+: initThreadedIO( at networking\.c:\d+)?, (mmap|mprotect)\("
    assert re.match(place, share["cause"])
    assert share["vmas"] >= 39


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


@pytest.mark.slow
@needs("node")
def test_node_with_a_dump(program: Program) -> None:
    text = "const all = [];\nfunction grow(n) {\n"
    text += "  all.push(new WebAssembly.Memory({ initial: 1 }));\n  return n;\n}\n"
    text += "for (let i = 0; i < 30; i++) grow(i);\n"
    program.source("x.js", text)
    words = ("--perf-prof", "--interpreted-frames-native-stack", "x.js")
    share = program.blame(record=("node", *words))["shares"]["site"][0]
    assert share["cause"].startswith(f"(JIT): grow at x.js:{program.line('x.js', 'grow(n) {')}, ")
    assert share["vmas"] >= 30
