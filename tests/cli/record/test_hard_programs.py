# SPDX-License-Identifier: GPL-2.0-or-later
"""`vmalab record` on programs that are hard to follow, built from C for the purpose."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vmalab.replay.report import ReplayReport

Run = Callable[..., subprocess.CompletedProcess[str]]
Replayed = Callable[[Path], ReplayReport]

EXECUTES = """
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
static void *busy(void *unused)
{
    for (;;) {
        char *area = mmap(0, 65536, 3, 0x22, -1, 0);
        area[0] = 1;
        munmap(area, 65536);
    }
}
static void *executes(void *unused)
{
    usleep(30000);
    execl("/bin/echo", "echo", "from a thread", (char *)0);
    return 0;
}
int main(void)
{
    pthread_t thread;
    pthread_create(&thread, 0, busy, 0);
    pthread_create(&thread, 0, executes, 0);
    pthread_exit(0);
}
"""


def built(tmp_path: Path, text: str, *flags: str) -> Path:
    """A program from its source; skips without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler (cc)")
    source = tmp_path / "program.c"
    source.write_text(text)
    program = tmp_path / "program"
    done = subprocess.run(
        [compiler, *flags, "-o", str(program), str(source)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"cc cannot build it: {done.stderr.decode()[:200]}")
    return program


def test_an_exec_by_another_thread_when_the_first_is_gone(
    record: Run, tmp_path: Path, replayed: Replayed
) -> None:
    program = built(tmp_path, EXECUTES, "-pthread")
    assert record("--", str(program)).stdout == "from a thread\n"
    report = replayed(tmp_path / "r")
    assert report.total.final_identical is True
    assert len(report.images) == 2
    assert "superseded by execve" in (tmp_path / "r" / "calls.strace").read_text()


WAITS = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
static int fd;
static void *serve(void *unused)
{
    char *page = mmap(0, 4096, 3, 0x22, -1, 0);
    memset(page, 7, 4096);
    for (int i = 0; i < 4; i++) {
        struct uffd_msg message;
        struct pollfd poller = {fd, POLLIN, 0};
        poll(&poller, 1, -1);
        if (read(fd, &message, sizeof message) != sizeof message)
            continue;
        munmap(mmap(0, 8192, 3, 0x22, -1, 0), 8192);
        struct uffdio_copy copy = {
            .dst = message.arg.pagefault.address & ~4095UL,
            .src = (unsigned long)page,
            .len = 4096,
        };
        ioctl(fd, UFFDIO_COPY, &copy);
    }
    return 0;
}
int main(void)
{
    struct uffdio_api api = {.api = UFFD_API};
    char *area = mmap(0, 16384, 3, 0x22, -1, 0);
    struct uffdio_register range = {{(unsigned long)area, 16384}, UFFDIO_REGISTER_MODE_MISSING};
    pthread_t thread;
    fd = syscall(SYS_userfaultfd, O_CLOEXEC);
    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range))
        return 77;
    pthread_create(&thread, 0, serve, 0);
    return madvise(area, 16384, 23) ? 1 : pthread_join(thread, 0);
}
"""


def test_a_call_that_waits_for_other_threads_is_overtaken(
    record: Run, tmp_path: Path, replayed: Replayed
) -> None:
    """MADV_POPULATE_WRITE sleeps until a thread of the same process has served its faults."""
    program = built(tmp_path, WAITS, "-pthread")
    done = record("--", str(program))
    if done.returncode == 77:
        pytest.skip("no userfaultfd for this user")
    assert done.returncode == 0
    text = (tmp_path / "r" / "calls.strace").read_text()
    assert "MADV_POPULATE_WRITE <unfinished ...>" in text
    assert "<... madvise resumed>) = 0" in text
    assert replayed(tmp_path / "r").total.final_identical is True


def test_a_static_program(record: Run, tmp_path: Path, replayed: Replayed) -> None:
    program = built(tmp_path, "int main(void) { return 3; }", "-static")
    assert record("--steps", "--", str(program)).returncode == 3
    assert replayed(tmp_path / "r").total.final_identical is True


NARROW = """
static long call(long n, long a, long b, long c, long d, long e, long f)
{
    long r;
    __asm__ volatile("push %%ebp; mov %[f], %%ebp; int $0x80; pop %%ebp"
                     : "=a"(r)
                     : "a"(n), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [f] "m"(f)
                     : "memory");
    return r;
}
static char *argv[] = {"/bin/echo", "from 32 bits", 0};
static long old[] = {0, 8192, 3, 0x22, -1, 0};
void _start(void)
{
    char *area = (char *)call(192, 0, 65536, 3, 0x22, -1, 0);
    area[0] = 1;
    call(125, (long)area + 4096, 4096, 1, 0, 0, 0);
    long heap = call(45, 0, 0, 0, 0, 0, 0);
    call(45, heap + 0x21000, 0, 0, 0, 0, 0);
    long fd = call(5, (long)"/proc/self/exe", 0, 0, 0, 0, 0);
    call(192, 0, 4096, 1, 2, fd, 1);
    call(192, 0x1000, 4096, 3, 0x32, -1, 0);
    call(90, (long)old, 0, 0, 0, 0, 0);
    long pid = call(2, 0, 0, 0, 0, 0, 0);
    if (pid == 0)
        call(11, (long)"/bin/echo", (long)argv, 0, 0, 0, 0);
    call(7, pid, 0, 0, 0, 0, 0);
    call(252, 4, 0, 0, 0, 0, 0);
}
"""


def test_a_32_bit_program(record: Run, tmp_path: Path, replayed: Replayed) -> None:
    flags = ("-m32", "-static", "-nostdlib", "-fno-pie", "-no-pie", "-fno-stack-protector")
    program = built(tmp_path, NARROW, *flags)
    done = record("--steps", "--", str(program))
    if done.returncode == 126:
        pytest.skip("the kernel runs no 32-bit programs")
    assert (done.returncode, done.stdout) == (4, "from 32 bits\n")
    report = replayed(tmp_path / "r")
    assert report.total.final_identical is True
    assert report.total.steps == report.total.steps_identical > 0
    text = (tmp_path / "r" / "calls.strace").read_text()
    assert 'execve("/bin/echo", ["/bin/echo", "from 32 bits"]' in text
    assert f"mmap2(NULL, 4096, PROT_READ, MAP_PRIVATE, 3<{program}<" in text
    assert ", 0x1000) = 0xf7" in text
    assert (
        "old_mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x" in text
    )
