# SPDX-License-Identifier: GPL-2.0-or-later
"""Generates a stub for each symbol that is used and defined nowhere: answers 0, counts its calls.

Symbols of data are zeroed memory. Which are data the compiler says, from the tree's own headers,
and the table here where no header does.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vmalab.targets.tree.objects import TreeObjects, run_command
from vmalab.targets.tree.unit import compile_for_errors

# Bytes of a symbol of data.
DATA_SIZE: Final = 1 << 14
DATA: Final = (
    "contig_page_data",
    "kmalloc_caches",
    "lru_disable_count",
    "mem_map",
    "param_ops_bool",
    "swap_space",
    "swapper_spaces",
    "sysctl_vals",
    "uml_physmem",
    "vm_event_states",
    "vm_node_stat",
    "vm_zone_stat",
    "__start_rodata",
    "__end_rodata",
)
# What the C library gives.
_LIBRARY: Final = {
    *("memcpy", "memset", "memcmp", "memmove", "memchr", "strcpy", "strncpy", "strlen", "strnlen"),
    *("strcmp", "strncmp", "strchr", "strstr", "strspn", "_GLOBAL_OFFSET_TABLE_"),
}
_HEADERS: Final = (
    "linux/swap.h",
    "linux/vmstat.h",
    "linux/ksm.h",
    "linux/pagewalk.h",
    "linux/oom.h",
    "linux/security.h",
    "linux/sysctl.h",
    "linux/sched/task.h",
    "linux/ptrace.h",
    "linux/utsname.h",
    "linux/kthread.h",
    "asm/tlb.h",
)
_FUNCTION: Final = re.compile(r"^symbol-(\w+):\d+:.*is initialized like a variable", re.M)
_FAILED: Final = re.compile(r"^symbol-(\w+):\d+:.*\berror:", re.M)


@dataclass(frozen=True, slots=True)
class Stubs:
    """The generated ones: functions that answer 0, data that is zero."""

    functions: tuple[str, ...]
    data: tuple[str, ...]


def undefined_symbols(objects: Iterable[Path], folder: Path) -> set[str]:
    """Return the symbols that objects use and none of them defines. Errors: BuildError."""
    used: set[str] = set()
    defined: set[str] = set()
    text = run_command(["nm", *map(str, objects)], folder, "nm")
    for kind, name in re.findall(r"^[0-9a-f ]{16} ([A-Za-z]) (\S+)$", text, re.M):
        if kind == "U":
            used.add(name)
        elif kind not in "vw" or kind.isupper():
            defined.add(name)
    return used - defined - _LIBRARY


def classify(objects: TreeObjects, names: set[str], folder: Path) -> Stubs:
    """Ask the compiler which symbols are functions. Errors: BuildError."""
    lines = ['#include "tree.h"']
    for header in _HEADERS:
        lines += [f"#if __has_include(<{header}>)", f"#include <{header}>", "#endif"]
    for name in sorted(names):
        lines += [f'#line 1 "symbol-{name}"', f"static typeof({name}) vmalab_{name} = {{}};"]
    source = folder / "symbols.c"
    source.write_text("\n".join(lines) + "\n", "utf-8")
    output = compile_for_errors(objects, source)
    functions = set(_FUNCTION.findall(output))
    unknown = set(_FAILED.findall(output)) - functions
    data = (names - functions - unknown) | (unknown & set(DATA))
    return Stubs(tuple(sorted(names - data)), tuple(sorted(data)))


def assembly(stubs: Stubs) -> str:
    """Return the stubs as a source for the assembler."""
    lines = ['.section .note.GNU-stack,"",@progbits', ".bss", ".balign 4096"]
    size = (len(stubs.functions) * 8 // 4096 + 1) * 4096
    lines += [".globl vmalab_stub_calls", "vmalab_stub_calls:", f".zero {size}"]
    for name in stubs.data:
        lines += [f".globl {name}", ".balign 64", f"{name}: .zero {DATA_SIZE}"]
    lines.append(".text")
    for index, name in enumerate(stubs.functions):
        lines += [
            f".globl {name}",
            f"{name}: incq vmalab_stub_calls+{index * 8}",
            "xorl %eax,%eax",
            "xorl %edx,%edx",
            "ret",
        ]
    lines += [".section .rodata", ".globl vmalab_stub_names", "vmalab_stub_names:"]
    lines += [f".quad .Ln{index}" for index in range(len(stubs.functions))]
    lines += [f'.Ln{index}: .asciz "{name}"' for index, name in enumerate(stubs.functions)]
    lines += [
        ".balign 8",
        ".globl vmalab_stub_count",
        f"vmalab_stub_count: .quad {len(stubs.functions)}",
    ]
    lines += [".globl vmalab_stub_bytes", f"vmalab_stub_bytes: .quad {size}"]
    return "\n".join(lines) + "\n"
