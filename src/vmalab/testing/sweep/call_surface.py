# SPDX-License-Identifier: GPL-2.0-or-later
"""Every row of the engine's call table, and every flag and command of it, with its state.

`python -m vmalab.testing.sweep.call_surface` prints the manual's page on the calls.  A handler
without an entry here, or a constant of the user API that no entry names, makes a test fail.
"""

import importlib
from dataclasses import dataclass
from typing import Final

from vmalab.calls import table
from vmalab.linux.arch.x86.entry.syscalls.table import SYSCALLS
from vmalab.testing.sweep.call_rows import CALLS, FAMILIES, UAPI, Row

GROUPS: Final = {
    "mm": "Mappings",
    "policy": "NUMA policies and userfaultfd",
    "prctl": "prctl",
    "limits": "Limits and personality",
    "ids": "Credentials",
    "seccomp": "Filters of calls",
    "ipc": "System V shared memory",
    "io": "Asynchronous I/O",
    "pidfd": "Other processes",
    "arch": "x86",
    "process": "Tasks",
    "exec": "Programs",
    "fs": "Files and descriptors",
    "names": "Names and directories",
}

# Names that 32-bit programs have for calls.
SPELLINGS: Final = ", ".join(f"`{name}`" for name in sorted(table.ROWS.keys() - table.CALLS.keys()))

HEAD: Final = f"""# Calls and their state

Every system call that the engine carries out, with the flags and commands that each takes. A call
that is not here, or a form of one that is not modelled, answers ENOSYS in the model and changes
nothing. In logs, the names that 32-bit programs have for some of these stand for them:
{SPELLINGS}.

- **modelled**: effect and errors are the kernel's.
- **accepted**: taken and checked as the kernel does; its effect shows in no map.
- **errors only**: what can be refused is refused; the effect is not modelled.
- **not modelled**: answers ENOSYS.
- **refused**: the kernel knows it, this one's configuration answers an error.

This page is written by `python -m vmalab.testing.sweep.call_surface`. A test fails when it is not
up to date, when a call or a constant of the user API has no place in it, or when no test asks a
call for its errors."""


@dataclass(frozen=True, slots=True)
class Constants:
    """The constants of the user API by name, and those that belong to a call's family."""

    known: dict[str, int]

    def family(self, prefix: str) -> set[str]:
        """Return names with a prefix, masks and shifts aside."""
        return {
            name
            for name in self.known
            if name.startswith(prefix) and not name.endswith(("_MASK", "_SHIFT"))
        }


def constants() -> Constants:
    """Read the user-API modules."""
    known: dict[str, int] = {}
    for module in UAPI:
        names = vars(importlib.import_module(f"vmalab.linux.include.uapi.{module}"))
        known.update({name: value for name, value in names.items() if isinstance(value, int)})
    return Constants(known)


def complaints() -> list[str]:
    """Return every way in which call table, user API and entries do not fit, a sentence each."""
    found = [f"{name}: the call has no entry" for name in SYSCALLS if name not in CALLS]
    found += [f"{name}: there is no such call" for name in CALLS if name not in SYSCALLS]
    uapi = constants()
    for name, rows in CALLS.items():
        for row in rows:
            found += [
                f"{name}: {one}: no such constant" for one in row.names if one not in uapi.known
            ]
    for prefix, (calls, ignored) in FAMILIES.items():
        named = {one for call in calls for row in CALLS.get(call, ()) for one in row.names}
        missing = uapi.family(prefix) - named
        found += [
            f"{calls[0]}: {one} has no state"
            for one in sorted(missing)
            if not one.startswith(ignored)
        ]
    return found


def group_of(name: str) -> str:
    """Return the heading under which a call stands: by the module of its handler."""
    module = SYSCALLS[name].__module__.rpartition(".")[2]
    return GROUPS.get(module, "Others")


def line(name: str, row: Row) -> str:
    """Return one line of a table."""
    names = ", ".join(f"`{one}`" for one in row.names)
    return f"| `{name}` | {names} | {row.state} | {row.note} |"


def page() -> str:
    """Return the manual's page."""
    lines = [HEAD]
    for group in [*GROUPS.values(), "Others"]:
        calls = sorted(name for name in SYSCALLS if group_of(name) == group)
        if not calls:
            continue
        lines += [
            "",
            f"## {group}",
            "",
            "| Call | Flags, commands | State | |",
            "|---|---|---|---|",
        ]
        lines += [line(name, row) for name in calls for row in CALLS.get(name, ())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
