# SPDX-License-Identifier: GPL-2.0-or-later
"""A call prints as strace prints it; what the tracer shows in another way is listed."""

import re

import pytest

from vmalab.calls.call import Call
from vmalab.calls.format import escaped, format_call, format_result
from vmalab.recording.readers.strace import StraceReader

SAME = (
    "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000",
    "mmap(0x1000, 8, PROT_NONE, MAP_FILE|0x200000, -1, 0x3000) = -1 EBADF (Bad file descriptor)",
    "mmap(NULL, 4096, PROT_READ, 0x7 /* MAP_??? */|MAP_FIXED, 3, 0) = -1 EINVAL (Invalid argument)",
    "mmap(NULL, 8, PROT_READ, MAP_SHARED|MAP_HUGETLB|21<<MAP_HUGE_SHIFT, 3, 0) = 0x7f0000000000",
    "munmap(0x7f0000001000, 18446744073709551615) = -1 EINVAL (Invalid argument)",
    "mprotect(0x1000, 4096, PROT_READ|PROT_GROWSDOWN) = -1 ENOMEM (Cannot allocate memory)",
    "mprotect(0x1000, 0, 0x400010 /* PROT_??? */) = 0",
    "mremap(0x1000, 4096, 8192, MREMAP_MAYMOVE) = 0x5000",
    "mremap(0x1000, 4096, 4096, MREMAP_MAYMOVE|MREMAP_DONTUNMAP) = 0x5000",
    "mremap(0x1000, 4096, 4096, MREMAP_MAYMOVE|MREMAP_DONTUNMAP, 0x8000) = 0x5000",
    "mremap(0x1000, 4096, 8192, MREMAP_MAYMOVE|MREMAP_FIXED, NULL) = -1 EINVAL (Invalid argument)",
    "madvise(0x1000, 4096, MADV_DONTNEED) = 0",
    "mlockall(MCL_CURRENT|0x8) = -1 EINVAL (Invalid argument)",
    "msync(0x1000, 4096, MS_SYNC|MS_ASYNC|MS_INVALIDATE) = -1 EINVAL (Invalid argument)",
    "brk(NULL) = 0x555555557000",
    'openat(AT_FDCWD, "/dev/shm/f", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 4',
    'openat(5, "a\\"b\\n\\377", O_RDONLY) = -1 ENOENT (No such file or directory)',
    'memfd_create("0123"..., MFD_CLOEXEC|MFD_ALLOW_SEALING) = 3',
    "fcntl(3, F_ADD_SEALS, F_SEAL_SHRINK|F_SEAL_GROW) = 0",
    "shmget(IPC_PRIVATE, 8192, IPC_CREAT|IPC_EXCL|0600) = 0",
    "shmat(0, NULL, SHM_RND|SHM_EXEC) = 0x7f0000000000",
    "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, "
    "child_tidptr=0x421944) = 20001",
    "prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0",
    "process_madvise(4, [{iov_base=0x7f91a3600000, iov_len=4096}], 1, MADV_PAGEOUT, 0) = 4096",
    'prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, 0x1000, 4096, "heap a") = 0',
)


def read(line: str) -> Call:
    reader = StraceReader()
    reader.feed(line)
    (call,) = reader.take()
    assert isinstance(call, Call), call
    return call


@pytest.mark.parametrize("line", SAME, ids=lambda line: re.split(r" = ", line)[0][:60])
def test_prints_as_read(line: str) -> None:
    call = read(line)
    assert f"{format_call(call)} = {format_result(call.name, call.ret)}" == line


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        (
            "madvise(0x1000, 4096, 0x66 /* MADV_??? */) = 0",
            "madvise(0x1000, 4096, MADV_GUARD_INSTALL)",
        ),
        (
            "mbind(0x1000, 4096, MPOL_BIND, [0x1], 64, 0) = 0",
            "mbind(0x1000, 4096, MPOL_BIND, [1], 64, 0)",
        ),
        ("rt_sigprocmask(SIG_BLOCK, ~[RTMIN RT_1], [], 8) = 0", "rt_sigprocmask(...)"),
        ("kill(12, SIGTERM) = 0", "kill(0xc, 0xf)"),
    ],
    ids=["newer advice", "node mask", "lenient", "unmodelled"],
)
def test_prints_what_it_knows(line: str, printed: str) -> None:
    assert format_call(read(line)) == printed


def test_result_without_a_name_or_at_all() -> None:
    assert format_result("mmap", -600) == "-1 (errno 600)"
    assert format_result("mmap", None) == "?"
    assert format_result("mmap", 0) == "0"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'a "b" \\', 'a \\"b\\" \\\\'),
        (b"\x1b[1m\x1b1\0", "\\33[1m\\0331\\0"),
        (b"\xff\xff9\t\n\v\f\r", "\\377\\3779\\t\\n\\v\\f\\r"),
        (b"", ""),
    ],
    ids=["quotes", "controls", "bytes", "nothing"],
)
def test_bytes_are_escaped_as_strace_does(raw: bytes, text: str) -> None:
    assert escaped(raw) == text


@pytest.mark.parametrize(
    ("fd", "printed"),
    [
        (2**32 - 100, 'openat(AT_FDCWD, "/proc/self/clear_refs", O_WRONLY)'),
        (2**64 - 100, 'openat(AT_FDCWD, "/proc/self/clear_refs", O_WRONLY)'),
        (2**32 - 1, 'openat(-1, "/proc/self/clear_refs", O_WRONLY)'),
        (2**32 + 5, 'openat(5, "/proc/self/clear_refs", O_WRONLY)'),
    ],
)
def test_a_descriptor_has_32_bits(fd: int, printed: str) -> None:
    path: dict[int, object] = {1: "/proc/self/clear_refs"}
    assert format_call(Call(1, "openat", (fd, 0, 1, 0, 0, 0), path)) == printed
