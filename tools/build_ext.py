# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles the C files that mypyc made: as many at a time as there are processors, none twice.

What is hot is compiled twice where the compiler can tell how often each branch is taken: first so
that it counts, then, after tools/training.py has run, with those counts.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

from backend import say
from setuptools import Extension
from setuptools.command.build_ext import build_ext

# C files, and what mypyc remembers; one place for each Python, so that they can be reused.
BUILD = f"build/mypyc-{sys.implementation.cache_tag}"
# The unit is one library: hidden symbols let its modules call each other directly.
# What a compiler newer than mypyc warns of is no reason not to build.
OPTIONS = ["-fvisibility=hidden", "-Wno-error"]
# The compiler's -O for all files, and nothing more; "": what follows here.
LEVEL = os.environ.get("VMALAB_OPTIMISE", "")
# For what is not hot. -O2 takes half as long again, and a replay is 3 % faster.
COMMON_LEVEL = "1"
# What each memory call goes through, and each line or row of a replay, is worth more of the
# compiler's time: these are optimised together when they are linked, and so inline each other's
# functions. For all of the engine this takes more than twice as long, and is at most 3 % faster.
HOT = (
    "calls/call",
    "explain/blame/origin",
    "explain/history/series",
    "explain/whatif/carry_faults",
    "explain/whatif/comparison",
    "explain/whatif/second_",
    "explain/why/peak_",
    "linux/arch/x86/entry/syscalls/batch",
    "linux/arch/x86/entry/syscalls/mm",
    "linux/include/page",
    "linux/include/registers",
    "linux/lib/interval_tree",
    "linux/lib/maple_",
    "linux/lib/slab",
    "linux/mm/accounting",
    "linux/mm/get_unmapped_area",
    "linux/mm/mlock",
    "linux/mm/mmap",
    "linux/mm/mprotect",
    "linux/mm/mremap/",
    "linux/mm/page_tables",
    "linux/mm/pgtable",
    "linux/mm/rmap",
    "linux/mm/vm_ops",
    "linux/mm/vma/",
    "linux/mm/vma_i",
    "linux/types/mm_rb",
    "linux/types/mm_types",
    "linux/types/seam",
    "linux/types/vma_iterator",
    "recording/format/steps",
    "recording/readers/column_calls",
    "recording/readers/flagged_lines",
    "recording/readers/known_parts",
    "recording/readers/scanner",
    "recording/readers/strace",
    "recording/readers/usual_",
    "replay/fault_history",
    "replay/judge",
    "replay/never_written",
    "replay/recorded_map",
    "replay/replay",
    "replay/timeline",
    "replay/usual_",
    "targets/model/capture",
    "targets/model/identity",
)
HOT_OPTIONS = ["-O3"]
LINK_OPTIONS = ["-flto=auto", "-fno-semantic-interposition"]
# How what is hot counts what it does, and how it is compiled by what was counted. What did not run
# is compiled as if nothing had been counted: without the last it would be made small, not fast.
COUNTING = "-fprofile-generate={}"
BY_COUNTS = ("-fprofile-use={}", "-fprofile-partial-training", "-Wno-missing-profile")
# Object files that count keep to themselves, so that both kinds can be used again.
COUNTING_SUFFIX = "-counting"
# What all C files of the unit include, and what those do that lead an import to it. Where the
# compiler can, it reads them once: a third of the time goes there otherwise.
# What a call leads to that ends in an exception is cold: compilers move that half of the code out
# of the way of the other. An object without a head for the garbage collector never waits to be
# freed: the list of those that wait, after many that free one another, is kept in their heads.
# Only objects whose type is freed by the named function wait, and no type is freed by none. (Since
# Python 3.14 the interpreter itself asks for the head, and the macro is empty.)
UNIT_HEADER = """\
#include "__native_vmalab.h"
#include "__native_internal_vmalab.h"
#define COLD __attribute__((cold)) void
COLD CPyError_OutOfMemory(void);
COLD CPy_TypeError(const char *, PyObject *);
COLD CPy_AddTraceback(const char *, const char *, int, PyObject *);
COLD CPy_TypeErrorTraceback(const char *, const char *, int, PyObject *, const char *, PyObject *);
COLD CPy_AttributeError(const char *, const char *, const char *, const char *, int, PyObject *);
COLD PyErr_SetNone(PyObject *);
COLD PyErr_SetObject(PyObject *, PyObject *);
COLD PyErr_SetString(PyObject *, const char *);
#undef COLD
#undef CPy_TRASHCAN_BEGIN
#define CPy_TRASHCAN_BEGIN(op, dealloc) \\
    Py_TRASHCAN_BEGIN(op, (PyObject_IS_GC((PyObject *)op) ? (destructor)dealloc : NULL))
"""
LEAD_HEADER = "#include <Python.h>\n"


def is_hot(source: str) -> bool:
    """Whether a C file is that of a module which HOT names, or of what compiled modules call."""
    if not is_of_unit(source):
        return Path(source).parent == Path(BUILD)
    name = Path(source).stem.removeprefix("__native_vmalab___")
    return name.startswith(tuple(path.replace("/", "___") for path in HOT))


def is_of_unit(source: str) -> bool:
    """Whether a C file is of the unit; the others only lead an import to it."""
    return Path(source).name.startswith("__native_vmalab")


def tell(text: str) -> None:
    """Say how far the build is, to the descriptor that tools/compiled.py names, if any."""
    if "VMALAB_PROGRESS" in os.environ:
        os.write(int(os.environ["VMALAB_PROGRESS"]), f"{text}\n".encode())


class BuildExt(build_ext):
    """Compiles as many C files at a time as there are processors, and none twice.

    An object file is used again when its source, the generated headers and the options are the
    same: one changed module of the unit costs seconds.
    """

    parallel: int | None

    def finalize_options(self) -> None:
        """Link as many libraries at a time as there are processors."""
        super().finalize_options()
        self.parallel = self.parallel or len(os.sched_getaffinity(0))

    def build_extensions(self) -> None:
        """Build all extensions, with this class's way of compiling."""
        self.headers = hashlib.sha256(version("mypy").encode())
        for header in sorted(Path(BUILD).rglob("*.h")):
            self.headers.update(header.read_bytes())
        self.compiler.compile = self.compile_in_parallel
        self.hot_options = [] if LEVEL else HOT_OPTIONS
        # Where what is hot counts, and whether it is compiled to do so.
        self.counts = Path(self.build_temp, "counts").absolute()
        self.counting = False
        self.compiled = 0
        self.total = sum(len(extension.sources) for extension in self.extensions)
        self.precompiled: dict[str, list[str]] = {}
        self.lock = Lock()
        with tempfile.TemporaryDirectory() as self.headers_folder:
            if LEVEL or not self.can_link_with(LINK_OPTIONS):
                super().build_extensions()
            else:
                self.build_optimised()

    def build_optimised(self) -> None:
        """Build all extensions, and the unit once more by what it counted, where it can."""
        unit = next(one for one in self.extensions if one.name.endswith("__mypyc"))
        by_counts = [*LINK_OPTIONS, *(option.format(self.counts) for option in BY_COUNTS)]
        if not self.can_link_with(by_counts):
            self.optimise(unit, LINK_OPTIONS)
            super().build_extensions()
            return
        self.counting = True
        self.optimise(unit, [COUNTING.format(self.counts)])
        super().build_extensions()
        self.counting = False
        self.optimise(unit, by_counts if self.count(unit) else LINK_OPTIONS)
        self.force = True
        self.compiled, self.total = 0, len(unit.sources)
        self.build_extension(unit)

    def optimise(self, unit: Extension, options: list[str]) -> None:
        """Let what is hot be compiled with some options, and the unit be linked with them."""
        self.hot_options = [*HOT_OPTIONS, *options]
        unit.extra_link_args = options

    def count(self, unit: Extension) -> bool:
        """Let a unit that counts work; return whether it could."""
        tell("counting how often each branch is taken")
        shutil.rmtree(self.counts, ignore_errors=True)
        package = str(Path(self.get_ext_fullpath(unit.name)).parent)
        path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
        # The same counts each time, so that what is compiled by them can be used again.
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
        done = subprocess.run(
            [sys.executable, "tools/training.py"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        for found in self.counts.glob(f"*{COUNTING_SUFFIX}.gcda"):
            found.rename(str(found).replace(COUNTING_SUFFIX, ""))
        if done.returncode:
            told = done.stderr.strip().splitlines()[-1:]
            say(f"optimising without counts of what is hot: {' '.join(told)}")
        return done.returncode == 0

    def counted(self, target: str) -> bytes:
        """Return what was counted of the code of an object file."""
        name = str(Path(target).absolute().with_suffix(".gcda")).replace("/", "#")
        path = self.counts / name
        return path.read_bytes() if path.exists() else b""

    def can_link_with(self, options: list[str]) -> bool:
        """Whether this compiler, with its linker, knows the options."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "empty.c")
            source.write_text("int vmalab;\n")
            command = [*self.compiler.compiler_so, *options, "-shared", "-o", f"{folder}/empty.so"]
            done = subprocess.run([*command, str(source)], capture_output=True, check=False)
        return done.returncode == 0

    def header(self, of_unit: bool, options: list[str]) -> list[str]:
        """Return the options that begin a C file with its header, precompiled where that can be.

        options: those that the C file is compiled with, as a header must have been.
        """
        text = UNIT_HEADER if of_unit else LEAD_HEADER
        key = self.headers.copy()
        key.update(repr((text, self.compiler.compiler_so, options)).encode())
        name = key.hexdigest()[:16]
        with self.lock:
            if name not in self.precompiled:
                path = Path(self.headers_folder, f"{name}.h")
                path.write_text(text)
                command = [*self.compiler.compiler_so, *options, "-x", "c-header", str(path)]
                subprocess.run([*command, "-o", f"{path}.gch"], check=False)
                self.precompiled[name] = ["-include", str(path)]
            return self.precompiled[name]

    def compile_in_parallel(self, sources: list[str], **options: Any) -> list[str]:
        """Do what distutils' compilers do in `compile`, a thread for each processor."""
        compiler = self.compiler
        postargs = options.get("extra_postargs")
        macros, objects, postargs, preprocessor, build = compiler._setup_compile(
            options.get("output_dir"),
            options.get("macros"),
            options.get("include_dirs"),
            sources,
            options.get("depends"),
            postargs,
        )
        arguments = compiler._get_cc_args(
            preprocessor, options.get("debug"), options.get("extra_preargs")
        )
        head = self.headers.copy()
        head.update(repr((compiler.compiler_so, arguments, macros)).encode())

        def compile_one(name: str) -> str:
            source, extension = build[name]
            hot = is_hot(source)
            wanted = [*postargs, *self.hot_options] if hot else postargs
            key = head.copy()
            key.update(repr(wanted).encode() + Path(source).read_bytes())
            target = name
            if hot and self.counting:
                target = name.removesuffix(".o") + f"{COUNTING_SUFFIX}.o"
            elif hot:
                key.update(self.counted(name))
            stamp = Path(f"{target}.key")
            if not (
                os.path.exists(target) and stamp.exists() and stamp.read_text() == key.hexdigest()
            ):
                stamp.unlink(missing_ok=True)
                first = self.header(is_of_unit(source), [*preprocessor, *wanted])
                compiler._compile(
                    target, source, extension, [*arguments, *first], wanted, preprocessor
                )
                stamp.write_text(key.hexdigest())
            with self.lock:
                self.compiled += 1
                tell(f"compiling C: {self.compiled} of {self.total} files")
            return target

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return list(pool.map(compile_one, objects))
