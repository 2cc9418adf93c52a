# SPDX-License-Identifier: GPL-2.0-or-later
"""Which frames of a stack are a program's own: those of libraries that only carry out are skipped.

Skipped are the C library and the loader, allocators, the libraries of languages, and virtual
machines with their own libraries; in programs that are linked statically, by name and source.
"""

import fnmatch
from collections.abc import Iterable, Sequence
from typing import Final, final

from vmalab.explain.blame.stack_frames import OWN_CODE, Frame
from vmalab.patterns import pattern

# The C library and the loader: they make the calls, but not of their own accord.
_LIBC: Final = pattern(
    r"(libc\.so|libc-2\.|libc\.musl|libpthread|ld-linux|ld-2\.|ld-musl|ld\.so|libdl\.|librt\.|"
    r"\[vdso\])"
)
_LIBRARIES: Final = pattern(
    # Languages, and calls between them.
    r"(lib(stdc\+\+|c\+\+|c\+\+abi|gcc_s|unwind|ffi|gfortran|gomp|omp|iomp5|m)[-.]|"
    # Allocators.
    r"lib(jemalloc|tcmalloc\w*|mimalloc|snmalloc|hoard|gc|rpmalloc|scudo|[atlmu]+san|clang_rt)\b)"
)
# Virtual machines, with what belongs to them.
_MACHINES: Final = pattern(
    r"(lib(jvm|jli|java|nio|net|zip|jimage|verify|python\d|node|v8|ruby|perl|php|mono\w*|"
    r"coreclr|clrjit|hostpolicy|hostfxr|lua\S*|R)[-.\d]|"
    r"(java|node|nodejs|python\d?(\.\d+)?|ruby\S*|perl\S*|php\S*|dotnet|mono)$)"
)
# Python's modules that are libraries: what calls them is in Python.
_MODULES: Final = pattern(r"/lib-dynload/|\.(cpython-3\d+\S*|abi3)\.so$")
# Sources of a language's own library, wherever it is linked to.
_SOURCES: Final = pattern(
    r"(/rustc/|.*/rustlib/src/|/usr/include/c\+\+/|.*/c\+\+/v1/|.*/go(-\d[\d.]*)?/src/(runtime|"
    r"syscall|internal|sync)/|node:|<frozen |.*/lib/python3\.\d+/(?!site-packages|dist-packages))"
)
_FUNCTIONS: Final = pattern(
    # C, linked statically; where a program begins.
    r"((__GI_)?(__)?(mmap|mmap64|munmap|mprotect|madvise|mremap|brk|sbrk|syscall|malloc|calloc|realloc|"
    r"free|posix_memalign|aligned_alloc|memalign|valloc|pthread_create|clone3?)"
    r"(@.*)?$|__libc_|_int_(malloc|free|realloc|memalign)|sysmalloc|_dl_|_start$|start_thread$|"
    # Allocators that are linked in.
    r"(je|_rjem)_|_?mi_(malloc|free|os|arena|segment|heap|page|new|prim)|tcmalloc::|"
    # C++, Rust, Go.
    r"(void )?operator (new|delete)|(\w[\w:<>*& ]* )?(std|__gnu_cxx)::|__rustc?_|__rg_|"
    r"<?(std|core|alloc|hashbrown)::|runtime\.|syscall\.|internal/)"
)
# What Java and Node compile at run time and is not the program's.
_JAVA: Final = pattern(r"L?(java|javax|jdk|sun|com\.sun)[./]")
_OWN_CODE: Final = pattern(
    r"(Interpreter|call_stub|StubRoutines|Stub|Builtin|"
    r"BytecodeHandler|RegExp|Builtins_|flush_icache|nmethod|vtable|itable|\w+Blob|~)"
)
# The outermost functions of the loader, which tell nothing.
_BEGIN: Final = pattern(r"(_start|_dl_start\w*|_dl_sysdep_start|(__GI_)?(__)?clone3?)$")
# Characters of a function's name on a way.
_SHORT: Final = 48


@final
class Skipping:
    """What is skipped. libraries: more of them, as maps names them: "libpool", "lib*.so.1".

    usual: whether to skip what is listed here.
    """

    def __init__(self, libraries: Iterable[str] = (), *, usual: bool = True) -> None:
        self._more = tuple(libraries)
        self._usual = usual

    def own(self, frames: Sequence[Frame]) -> int:
        """Return the index of the innermost frame of the program's own, -1 where there is none."""
        for index, frame in enumerate(frames):
            if not self._is_skipped(frame):
                return index
        return -1

    def _is_skipped(self, frame: Frame) -> bool:
        library = frame.library
        if any(_is_named(library, name) for name in self._more):
            return True
        if not self._usual:
            return False
        if _LIBC().match(library) or _LIBRARIES().match(library) or _MACHINES().match(library):
            return True
        if _MODULES().search(frame.file):
            return True
        if library == "[unknown]":
            return True
        if frame.source and _SOURCES().match(frame.source):
            return True
        if library == OWN_CODE:
            # "int java.util.List.size()" is Java's own, "java.util.List app.Pool.all()" is not.
            method = frame.function.partition("(")[0].rpartition(" ")[2]
            return (
                not frame.function
                or _OWN_CODE().match(frame.function) is not None
                or _JAVA().match(method) is not None
            )
        return _FUNCTIONS().match(frame.function) is not None


def _is_named(library: str, name: str) -> bool:
    """Return whether a library is the one that a user means: also without its version."""
    if fnmatch.fnmatchcase(library, name):
        return True
    rest = library.removeprefix(name)
    return rest != library and rest[:1] in (".", "-")


def next_best(frames: Sequence[Frame]) -> int:
    """Return the index of the frame that a call is put down to where none is the program's own.

    The innermost one outside the C library; or else the outermost that has a name and is not the
    beginning of everything; or else the outermost. -1: there are no frames.
    """
    for index, frame in enumerate(frames):
        if not _LIBC().match(frame.library):
            return index
    for index in range(len(frames) - 1, -1, -1):
        if frames[index].function and not _BEGIN().match(frames[index].function):
            return index
    return len(frames) - 1


def way(frames: Sequence[Frame], own: int, call: str) -> tuple[str, ...]:
    """Return the functions between a frame and a call, outermost first.

    Those without a name by their library. Left out is what virtual machines do on the way, and what
    only makes the call, which has this name.
    """
    found: list[str] = []
    for frame in reversed(frames[:own]):
        if _MACHINES().match(frame.library):
            continue
        label = _short(frame) or frame.library
        if label not in found[-1:]:
            found.append(label)
    while found and found[-1].removeprefix("__GI_").strip("_").removesuffix("64") == call:
        found.pop()
    return tuple(found)


def _short(frame: Frame) -> str:
    """Return a function's name without what it takes and returns."""
    name = frame.function.partition("(")[0]
    if not name or "<" in name or name.endswith("."):
        # Parentheses may be a part of the name: "std::function<void ()>::operator()() const" of
        # C++, "syscall.(*mmapper).Mmap" of Go.
        name = frame.function
    elif frame.library == OWN_CODE:
        name = name.rpartition(" ")[2]
    return name if len(name) <= _SHORT else f"{name[: _SHORT - 3]}..."
