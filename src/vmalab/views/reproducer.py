# SPDX-License-Identifier: GPL-2.0-or-later
"""A list of calls as something to run elsewhere: a pytest of the engine, and a C program."""

from collections.abc import Iterator, Sequence
from typing import Final

from vmalab.calls.call import Call
from vmalab.calls.errors import VmalabError
from vmalab.calls.format import escaped, format_call
from vmalab.calls.snapshot import VmaLine
from vmalab.calls.table import FORKS
from vmalab.linux.include.features import BASE
from vmalab.linux.include.uapi import unistd
from vmalab.targets.model.versions import parse_point, parse_version
from vmalab.targets.real.real import TID
from vmalab.targets.real.wire import WRPKRU, begins_process, ends_process, memory_items
from vmalab.views.as_logged import Logged, as_logged
from vmalab.views.visible import visible

# Where the program that made the calls has its own memory, and what the kernel places: not shown.
_LOW: Final = 0x10000000
_HIGH: Final = 0x7FFFF0000000


def shown_vmas(lines: Sequence[VmaLine], first: Sequence[VmaLine]) -> list[VmaLine]:
    """Return the VMAs that the calls are about: those that were not there at the start."""
    at_start = {(line.start, line.end, line.name) for line in first}
    return [
        line
        for line in lines
        if (line.start, line.end, line.name) not in at_start and line.start < 1 << 63
    ]


def python_test(
    calls: Sequence[Call], results: Sequence[int | None], version: str, release: str = ""
) -> str:
    """A test function that makes the calls in the engine and demands the kernel's results.

    version: of the model. release: of the kernel, whose point release may matter.
    """
    major, minor = parse_version(version) or BASE
    point = parse_point(version, release)
    profile = f"({major}, {minor})" if point is None else f"({major}, {minor}), {point}"
    lines = [
        "from vmalab.linux.fs.open import anon_file",
        "from vmalab.linux.include.config import KernelConfig",
        "from vmalab.linux.include.features import Features",
        "from vmalab.linux.kernel.machine import LinuxMachine",
        "from vmalab.linux.arch.x86.entry.syscalls.table import do_syscall",
        "from vmalab.linux.types.file import FMODE_READ, FMODE_WRITE",
        "",
        "",
        f"def test_as_linux_{major}_{minor}() -> None:",
        '    """What a real kernel answered, call by call."""',
        "    config = KernelConfig()",
        f"    config.features = Features({profile})",
        "    machine = LinuxMachine(config)",
        f"    t{TID} = machine.spawn()",
        "    for fd in range(3):",
        f'        t{TID}.files.install_at(fd, anon_file(machine, "inherited"))',
        "    # Limits and the heap's place are those of an empty process, not of the original.",
    ]
    known = [0 if result is None else result for result in results]
    for one, result in zip(as_logged(calls, known), results, strict=False):
        lines += _python_call(one, result)
    return "\n".join(lines) + "\n"


def _python_call(one: Logged, result: int | None) -> Iterator[str]:
    """result: what the kernel answered, None for nothing."""
    call, task = one.call, f"t{one.tid}"
    if call.name == "exit":
        yield f"    machine.exit_task({task})"
        return
    if call.name == WRPKRU:
        yield f"    {task}.pkru = {call.args[0] & 0xFFFFFFFC:#x}"
        return
    if isinstance(call.out, list):
        for fd, mode in zip(call.out, ("FMODE_READ", "FMODE_WRITE"), strict=True):
            end = f'anon_file(machine, "{call.name}", {mode})'
            yield f"    {task}.files.install_at({fd}, {end})"
        return
    args = ", ".join(str(arg) if arg < 4096 else hex(arg) for arg in call.args)
    mem = "" if call.mem is None else f", {call.mem!r}"
    made = f'do_syscall({task}, "{call.name}", {args}{mem})'
    if one.event is not None:
        yield f"    t{one.result} = machine.tasks[{made}]"
    elif result is None:
        yield f"    {made}"
    else:
        value = str(result) if -4096 < result < 4096 else hex(result)
        yield f"    assert {made} == {value}"


_C_HEAD: Final = r"""// SPDX-License-Identifier: GPL-2.0-or-later
// cc -static -o reproduce reproduce.c && setarch -R ./reproduce
#include <stdio.h>
#include <string.h>
#include <errno.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static char memory[1 << 16] __attribute__((aligned(64)));

static long result(const char *what, long value, long expected)
{
	if (value == -1)
		value = -errno;
	printf("%-60s = %#lx%s\n", what, value, value == expected ? "" : "  <-- not as recorded");
	fflush(stdout);
	return value;
}

static void show(void)
{
	char line[256];
	FILE *file = fopen("/proc/self/smaps", "r");

	while (file && fgets(line, sizeof(line), file))
		if (strchr("0123456789abcdef", line[0]) || !strncmp(line, "VmFlags", 7))
			fputs(line, stdout);
	if (file)
		fclose(file);
}

int main(void)
{
"""


def c_program(calls: Sequence[Call], results: Sequence[int | None]) -> str:
    """Return a C program that makes the calls and prints results and map."""
    lines = [_C_HEAD.rstrip("\n")]
    for call, result in zip(calls, results, strict=False):
        lines += _c_call(call, result)
    lines += ["\tshow();", "\treturn 0;", "}", ""]
    return "\n".join(lines)


def _c_call(call: Call, result: int | None) -> Iterator[str]:
    if not begins_process(call) and call.row.family & FORKS:
        yield "\t// A thread begins: its calls are made by the first one here."
        return
    if call.name == "exit" and not ends_process(call):
        return
    if call.name == "exit":
        # Processes of the stream return to their parents.
        yield "\tshow();"
        yield "\t_exit(0);"
        return
    if call.row.family & FORKS:
        yield "\t// The child carries on."
        yield "\tif (fork() > 0) {"
        yield "\t\twait(NULL);"
        yield "\t\treturn 0;"
        yield "\t}"
        return
    if call.name == WRPKRU:
        value = f"{call.args[0] & 0xFFFFFFFC:#x}"
        yield f'\t__asm__ volatile("wrpkru" : : "a"({value}), "c"(0), "d"(0));'
        return
    args = [f"{arg:#x}ul" for arg in call.args]
    try:
        items = memory_items(call)
    except VmalabError as error:
        yield f"\t// {visible(str(error))}"
        items = []
    place = 0
    for index, content in items:
        text = "".join(f"\\x{byte:02x}" for byte in content)
        yield f'\tmemcpy(memory + {place}, "{text}", {len(content)});'
        args[index] = f"memory + {place}"
        place += (len(content) + 63) & -64
    number = getattr(unistd, f"NR_{call.name}")
    what = escaped(format_call(call).encode("utf-8", "surrogateescape"), b"?")
    made = f"syscall({number}, {', '.join(args)})"
    expected = 0 if result is None else result
    yield f'\tresult("{what}",\n\t       {made}, {expected}l);'


def in_windows(line: VmaLine) -> bool:
    """Whether a VMA lies where streams work, not where the program or the kernel put something."""
    return _LOW <= line.start < _HIGH
