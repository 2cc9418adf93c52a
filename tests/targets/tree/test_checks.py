# SPDX-License-Identifier: GPL-2.0-or-later
"""Memory of a tree's program: accesses that are checked, and allocations that are made to fail.

The program's own files are linked with a few lines of C that are compiled as a sanitized tree is.
"""

import subprocess
from pathlib import Path

import pytest

from vmalab.targets.tree.objects import SANITIZING
from vmalab.targets.tree.unit import HOST_SIDE

MAIN = r"""
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "runtime.h"

const unsigned int vmalab_may_wait = 0x400;
int touch(const char *how, long *object);

void *vmalab_shmem_file(const char *name, long size)
{
	return (void)name, (void)size, (void *)0;
}

void vmalab_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	exit(7);
}

int main(int count, char **words)
{
	struct vmalab_cache *cache = vmalab_cache_create("thing", 4 * sizeof(long), 0);
	long *object = vmalab_cache_alloc(cache, 0x400);

	if (count > 2) {
		vmalab_cache_fail("thing", 2);
		for (int i = 2; i < count; i++)
			printf("%d", vmalab_cache_alloc(cache, strtol(words[i], 0, 16)) != 0);
		printf(" %ld", vmalab_cache_asked());
		return 0;
	}
	if (words[1][0] == 'f')
		vmalab_cache_free(cache, object);
	return touch(words[1], object);
}
"""
TOUCH = r"""
struct few { int small[4]; int after; };
static volatile struct few few;
int touch(const char *how, long *object);

int touch(const char *how, long *object)
{
	volatile int far = how[0] == 'b' ? 4 : 0;
	volatile int index = how[0] == 'i' ? 4 : 0;
	volatile int by = how[0] == 's' ? 99 : 0;

	if (how[0] == 'b')
		object[far] = 1;
	return (object[far] << by) * few.small[index] > 1000000;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the linked program."""
    folder = tmp_path_factory.mktemp("checks")
    (folder / "main.c").write_text(MAIN)
    (folder / "touch.c").write_text(TOUCH)
    gcc = ["gcc", "-O1", "-g", "-w", f"-I{HOST_SIDE}"]
    touch = folder / "touch.o"
    subprocess.run([*gcc, *SANITIZING, "-c", "-o", touch, folder / "touch.c"], check=True)
    host = [HOST_SIDE / "memory.c", HOST_SIDE / "checks.c"]
    output = folder / "program"
    command = [*gcc, "-DVMALAB_SANITIZE", "-o", output, folder / "main.c", *host, touch]
    subprocess.run(command, check=True)
    return output


def said(program: Path, *words: str) -> tuple[int, str]:
    """Return exit status and output."""
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("freed", "use after free: a read of 8 bytes, cache thing"),
        ("beyond", "out of bounds: a write of 8 bytes, cache thing"),
        ("index", "an index out of bounds"),
        ("shift", "a shift by too many bits"),
    ],
)
def test_a_wrong_access_ends_the_program_with_what_it_was(
    program: Path, how: str, words: str
) -> None:
    status, text = said(program, how)
    assert status == 7
    assert words in text


def test_a_right_access_is_let_through(program: Path) -> None:
    assert said(program, "right") == (0, "")


@pytest.mark.parametrize(
    ("requests", "answers"),
    [
        (("400", "400", "400"), "101 3"),
        (("400", "0", "400", "400"), "1001 3"),
        (("0", "0", "0"), "100 2"),
    ],
    ids=["waits", "retried", "given-up"],
)
def test_an_allocation_that_fails_fails_for_the_retry_as_well(
    program: Path, requests: tuple[str, ...], answers: str
) -> None:
    assert said(program, "fail", *requests) == (0, answers)
