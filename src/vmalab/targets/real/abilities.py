# SPDX-License-Identifier: GPL-2.0-or-later
"""What works on this machine: programs, libraries and rights, and how to get those that do not.

Everything is only looked at: no call is made that changes anything.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from vmalab import COMPILED, __version__
from vmalab.targets.real.build import cache_folder

_CAP_SYS_PTRACE: Final = 19
_CAP_SYS_ADMIN: Final = 21
_CAP_PERFMON: Final = 38
_CAP_BPF: Final = 39


@dataclass(frozen=True, slots=True)
class Ability:
    """Something that commands need. need: which ones; there: whether it works; state: what was
    found; cure: how to get it, "" when it is there.
    """

    name: str
    need: str
    there: bool
    state: str
    cure: str = ""


def abilities() -> Iterator[Ability]:
    """Yield all of them, in the order in which a user meets them."""
    yield _engine()
    for look in _LIBRARIES:
        yield look()
    for look in _PROGRAMS:
        yield look()
    yield _ptrace()
    yield _perf_events()
    yield _bpf()
    yield _user_namespaces()
    yield _kvm()
    yield _kernels()


def _engine() -> Ability:
    state = f"vmalab {__version__}, Python {sys.version.split()[0]}, "
    if COMPILED:
        return Ability("engine", "all commands", True, f"{state}compiled")
    return Ability(
        "engine",
        "all commands, faster",
        True,
        f"{state}interpreted",
        "a C compiler, then install again; in a checkout: make compiled",
    )


def _library(name: str, module: str, need: str, extra: str) -> Callable[[], Ability]:
    def look() -> Ability:
        found = importlib.util.find_spec(module) is not None
        return Ability(
            name,
            need,
            found,
            module if found else "not installed",
            "" if found else f"pip install 'vmalab[{extra}]'",
        )

    return look


def _program(name: str, command: str, need: str, package: str) -> Callable[[], Ability]:
    def look() -> Ability:
        found = shutil.which(command)
        cure = "" if found else f"the package {package}"
        return Ability(name, need, found is not None, found or "not found", cure)

    return look


_LIBRARIES: Final = (
    _library("columns", "pyarrow", "convert, replay of Parquet and Arrow", "arrow"),
    _library("pages", "jinja2", "--html", "html"),
    _library("a kernel's memory", "drgn", "why on a vmcore or /proc/kcore", "drgn"),
    _library("names of frames", "symbolic", "record -k", "frames"),
)
_PROGRAMS: Final = (
    _program("C compiler", "cc", "check, bench", "gcc"),
    _program("QEMU", "qemu-system-x86_64", "check --target qemu:", "qemu-system-x86"),
    _program("strace", "strace", "logs of your own: strace -f -o", "strace"),
)


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1 << 16).strip()
    except OSError:
        return ""


def _has(*capabilities: int) -> bool:
    """Return whether this process has one of these capabilities."""
    line = next(
        (line for line in _text("/proc/self/status").split("\n") if line.startswith("CapEff:")), ""
    )
    effective = int(line.split()[1], 16) if line else 0
    return any(effective >> number & 1 for number in capabilities)


def _ptrace() -> Ability:
    scope = _text("/proc/sys/kernel/yama/ptrace_scope") or "0"
    if _has(_CAP_SYS_PTRACE) and scope != "3":
        return Ability("ptrace", "record -p, snapshot", True, "of every process")
    if scope == "0":
        return Ability("ptrace", "record -p, snapshot", True, "of your own processes")
    return Ability(
        "ptrace",
        "record -p, snapshot",
        False,
        f"kernel.yama.ptrace_scope is {scope}",
        "run as root, or let vmalab start the program: vmalab record -- PROGRAM",
    )


def _perf_events() -> Ability:
    level = _text("/proc/sys/kernel/perf_event_paranoid")
    need = "recording by events"
    if not level:
        return Ability("perf events", need, False, "not in this kernel", "another kernel")
    if _has(_CAP_PERFMON, _CAP_SYS_ADMIN) or int(level) < 0:
        return Ability("perf events", need, True, f"kernel.perf_event_paranoid is {level}")
    return Ability(
        "perf events",
        need,
        False,
        f"kernel.perf_event_paranoid is {level}",
        "run as root, or with CAP_PERFMON",
    )


def _bpf() -> Ability:
    need = "recording by events: what pointers point to"
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        return Ability("BPF", need, False, "no /sys/kernel/btf/vmlinux", "a kernel with BTF")
    if _has(_CAP_BPF, _CAP_SYS_ADMIN):
        return Ability("BPF", need, True, "BTF, and the right to load programs")
    return Ability("BPF", need, False, "BTF, no right", "run as root, or with CAP_BPF")


def _user_namespaces() -> Ability:
    need = "check --target live"
    if os.geteuid() == 0:
        return Ability("namespaces", need, True, "as root")
    most = _text("/proc/sys/user/max_user_namespaces")
    clone = _text("/proc/sys/kernel/unprivileged_userns_clone")
    if most in ("", "0") or clone == "0":
        return Ability("namespaces", need, False, "no user namespaces", "run as root")
    return Ability("namespaces", need, True, "user namespaces")


def _kvm() -> Ability:
    need = "check --target qemu:, faster"
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Ability("KVM", need, True, "/dev/kvm")
    there = os.path.exists("/dev/kvm")
    state, cure = ("no right to /dev/kvm", "join the group kvm") if there else ("no /dev/kvm", "")
    return Ability("KVM", need, False, state, cure)


def _kernels() -> Ability:
    folder = cache_folder() / "kernels"
    try:
        found = sorted(name for name in os.listdir(folder) if (folder / name / "vmlinuz").exists())
    except OSError:
        found = []
    need = "check --target qemu:VERSION"
    if found:
        return Ability("kernels", need, True, ", ".join(found))
    return Ability("kernels", need, False, "none in the cache", "in a checkout: make kernels")
