# SPDX-License-Identifier: GPL-2.0-or-later
"""A stack's frames, which of them is the program's own, and the way from there to the call."""

import pytest

from vmalab.explain.blame.callsite import Stack
from vmalab.explain.blame.skipping import Skipping, next_best, way
from vmalab.explain.blame.stack_frames import Frame, frames_of
from vmalab.explain.blame.unnamed import reasons
from vmalab.recording.format.frames import FrameNames, Named

LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"


@pytest.mark.parametrize(
    ("frame", "library", "label"),
    [
        ("/bin/x(main+0x12) [0x1132]", "x", "main"),
        ("/bin/x() [0x1132]", "x", "0x1132"),
        ("/bin/x(+0x9) [0x1132]", "x", "0x1132"),
        ("/bin/x [0x1132]", "x", ""),
        ("[vdso](clock+0x1) [0x2]", "[vdso]", "clock"),
        ("/lib/libx.so.2 (deleted)(a::f(int)+0x7f) [0x4af]", "libx.so.2", "a::f(int)"),
        ("/lib/libjvm.so(_ZN2os16pd_commit_memoryEPcmb+0x7) [0x4]", "libjvm.so", "os::pd_commit_"),
        ("/tmp/perf-77.map() [0x7f0000001000]", "(JIT)", "0x7f0000001000"),
    ],
)
def test_a_frame_without_more_is_what_the_log_has(frame: str, library: str, label: str) -> None:
    (found,) = frames_of([frame], {})
    assert found.library == library
    assert found.label.startswith(label)
    assert bool(found.label) == bool(label)


def test_what_the_recorder_found_counts_more_than_the_log() -> None:
    names = FrameNames((Named("grow", "/src/pool.c", 12), Named("main", "/src/x.c", 30)))
    inner, outer = frames_of(["/bin/x(old+0x1) [0x10]"], {"/bin/x(old+0x1) [0x10]": names})
    assert (inner.place, inner.inlined) == ("grow at pool.c:12", True)
    assert (outer.place, outer.inlined) == ("main at x.c:30", False)
    assert inner.address == outer.address == "0x10"


OWN = Frame("/srv/bin/x", "pool_grow", "/src/pool.c", 12)
JIT = "/tmp/perf-7.map"


@pytest.mark.parametrize(
    "frame",
    [
        Frame(LIBC, "malloc"),
        Frame("[vdso]", "clock"),
        Frame("/lib/ld-linux-x86-64.so.2", "dl_main"),
        *(
            Frame(f"/lib/{name}", "f")
            for name in (
                "libstdc++.so.6.0.30",
                "libffi.so.8.1.2",
                "libjemalloc.so.2",
                "libtcmalloc_minimal.so.4",
                "libmimalloc.so.2.1",
                "libgc.so.1",
                "libasan.so.8",
                "libjvm.so",
                "libjli.so",
                "libpython3.11.so.1.0",
                "libnode.so.115",
            )
        ),
        *(Frame(f"/bin/{name}", "f") for name in ("java", "node", "python3", "python3.12")),
        Frame("/usr/lib/python3.11/lib-dynload/mmap.cpython-311-x86_64-linux-gnu.so", "new"),
        Frame("/srv/numpy/core/_umath.cpython-311-x86_64-linux-gnu.so", "npy_alloc"),
        Frame("/usr/lib/python3.11/pickle.py", "load", "/usr/lib/python3.11/pickle.py", 7),
        Frame("/bin/x", "std::vector<int>::_M_realloc_insert(int*)"),
        Frame("/bin/x", "void std::vector<int>::push_back(int)"),
        Frame("/bin/x", "operator new(unsigned long)"),
        Frame("/bin/x", "push", "/usr/include/c++/12/bits/stl_vector.h", 7),
        Frame("/bin/x", "alloc::raw_vec::RawVec<T,A>::grow", "/rustc/5980/library/raw_vec.rs", 7),
        Frame("/bin/x", "__rust_alloc"),
        Frame("/bin/x", "<alloc::string::String as core::fmt::Write>::write_str"),
        Frame("/bin/x", "runtime.sysAlloc", "/usr/local/go/src/runtime/mem_linux.go", 7),
        Frame("/bin/x", "__libc_malloc"),
        Frame("/bin/x", "mmap64"),
        Frame("/bin/x", "_start"),
        Frame("[unknown]", "", address="0x10"),
        Frame(JIT, "", address="0x10"),
        Frame(JIT, "Interpreter"),
        Frame(JIT, "void java.nio.DirectByteBuffer.<init>(int)"),
        Frame(JIT, "Builtin:ArgumentsAdaptorTrampoline"),
        Frame(JIT, "read", "node:fs", 7),
        Frame(JIT, "load", "/usr/lib/python3.12/pickle.py"),
        Frame(JIT, "_find_and_load", "<frozen importlib._bootstrap>"),
    ],
    ids=lambda frame: f"{frame.library} {frame.function}",
)
def test_what_only_carries_out_is_skipped(frame: Frame) -> None:
    assert Skipping().own([frame, OWN]) == 1
    assert Skipping(usual=False).own([frame, OWN]) == 0


@pytest.mark.parametrize(
    "frame",
    [
        Frame("/srv/bin/x", "pool_grow"),
        Frame("/srv/bin/x", "", address="0x10"),
        Frame("/srv/lib/libpool.so.1", "mallocate"),
        Frame("/srv/lib/libjavelin.so", "f"),
        Frame("/srv/lib/libgcrypt.so.20", "f"),
        Frame("/srv/bin/nodes", "f"),
        Frame("/srv/bin/x", "standard::f()"),
        Frame("/srv/bin/x", "main.main", "/srv/main.go", 7),
        Frame("/srv/app.py", "grow", "/srv/app.py", 7),
        Frame(JIT, "void app.Pool.grow(int)"),
        Frame(JIT, "java.util.List app.Pool.all(java.lang.String)"),
        Frame(JIT, "grow", "/srv/app.js", 12),
        Frame(JIT, "grow", "/usr/lib/python3.12/site-packages/pool/grow.py"),
    ],
    ids=lambda frame: f"{frame.library} {frame.label}",
)
def test_what_is_a_programs_own_is_not(frame: Frame) -> None:
    assert Skipping().own([Frame(LIBC, "mmap64"), frame, OWN]) == 1


@pytest.mark.parametrize(
    ("name", "own"),
    [("libpool", 1), ("libpool.so.1", 1), ("lib*.so.1", 1), ("libpoo", 0), ("x", 0)],
)
def test_more_can_be_skipped(name: str, own: int) -> None:
    assert Skipping([name]).own([Frame("/srv/libpool.so.1", "f"), OWN]) == own


def test_a_stack_of_libraries_alone_is_put_down_to_the_one_that_asked() -> None:
    frames = [Frame(LIBC, "mmap64"), Frame("libjvm.so", "commit"), Frame("libjvm.so", "run")]
    assert Skipping().own(frames) == -1
    assert next_best(frames) == 1
    loader = [Frame("ld-linux.so.2", name) for name in ("mmap64", "dl_main", "_dl_start", "_start")]
    assert next_best(loader) == 1
    assert next_best([Frame(LIBC, address="0x1")]) == 0
    assert next_best([]) == -1


def test_the_way_to_a_call_is_told_without_what_only_makes_it() -> None:
    names = ["__GI___mmap64", "sysmalloc", "malloc", "malloc", "operator new(unsigned long)"]
    frames = [*(Frame(LIBC, name) for name in names), OWN]
    assert way(frames, 5, "mmap") == ("operator new", "malloc", "sysmalloc")
    assert way(frames[:1] + frames[-1:], 1, "mmap") == ()
    assert way([Frame(LIBC), OWN], 1, "mmap") == ("libc.so.6",)
    java = Frame(JIT, "java.nio.MappedByteBuffer sun.nio.ch.FileChannelImpl.map(long, long)")
    invoked = Frame("x", "std::function<void* ()>::operator()() const")
    assert way([java, invoked, OWN], 2, "mmap") == (
        "std::function<void* ()>::operator()() const",
        "sun.nio.ch.FileChannelImpl.map",
    )
    machine = [Frame("libpython3.11.so.1.0", "type_call"), Frame("/bin/node", "Builtins_Call")]
    assert way([frames[2], *machine, OWN], 3, "mmap") == ("malloc",)
    assert way([Frame(LIBC, "f" * 99), OWN], 1, "mmap") == ("f" * 45 + "...",)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ((Frame("/bin/x", "f", why="built without -g"), Frame(LIBC)), "x: built without -g."),
        ((Frame("/lib/libpython3.11.so.1.0", "f"),), "-X perf"),
        ((Frame("/bin/python3", "f"),), "-X perf"),
        ((Frame("/lib/libjvm.so", "f"),), "-XX:+DumpPerfMapAtExit"),
        ((Frame("/bin/node", "f"),), "--perf-basic-prof"),
        ((Frame("/lib/libjvm.so", "f"), Frame(JIT, why="no map")), "(JIT): no map."),
        ((Frame("/lib/libjvm.so", "f"), Frame(JIT, "Interpreter", why="y")), "(JIT): y."),
    ],
    ids=range(7),
)
def test_what_a_stack_lacks_is_said(frames: tuple[Frame, ...], words: str) -> None:
    own = Skipping().own(frames)
    (note,) = reasons(Stack(frames, max(own, 0), own >= 0))
    assert words in note


def test_nothing_is_said_of_a_stack_that_lacks_nothing() -> None:
    assert list(reasons(Stack((Frame(LIBC, why="stripped"), OWN), 1, True))) == []
    assert list(reasons(Stack())) == []
