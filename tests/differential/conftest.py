# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel that runs the tests, for tests that compare the model with it.

They are skipped, with the reason, where that kernel cannot be asked; VMALAB_REQUIRE_LIVE=1 makes
that a failure instead.
"""

import ctypes
import os
import platform
import resource
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vmalab.linux.include.config import KernelConfig
from vmalab.linux.include.features import VERSIONS, Features
from vmalab.linux.kernel.machine import LinuxMachine

ADDR_NO_RANDOMIZE = 0x0040000
PTRACE_TRACEME = 0
# Names and places of the fields of /proc/PID/stat that tell of an address space, from 0.
STAT_FIELDS = {
    "start_code": 25,
    "end_code": 26,
    "start_stack": 27,
    "start_data": 44,
    "end_data": 45,
    "start_brk": 46,
    "arg_start": 47,
    "arg_end": 48,
    "env_start": 49,
    "env_end": 50,
}


@dataclass
class Stopped:
    """What a kernel made of an exec: the errno, or /proc of the process before its first step."""

    errno: int = 0
    # The new program was ended before it began.
    killed: bool = False
    texts: dict[str, str] = field(default_factory=dict)

    def lines(self, name: str) -> list[str]:
        """The lines of a file of /proc/PID."""
        return self.texts[name].splitlines()

    def status(self) -> dict[str, str]:
        """The numbers of the Vm*, Rss* and HugetlbPages lines of status."""
        return {
            line.split(":")[0]: line.split()[1]
            for line in self.lines("status")
            if line.startswith(("Vm", "Rss", "Huge"))
        }

    def fields(self) -> dict[str, int]:
        """The addresses of /proc/PID/stat."""
        words = self.texts["stat"].rpartition(")")[2].split()
        return {name: int(words[place - 2]) for name, place in STAT_FIELDS.items()}


def unavailable(reason: str) -> None:
    """Skips, or fails where the kernel must be asked."""
    if os.environ.get("VMALAB_REQUIRE_LIVE"):
        pytest.fail(f"{reason}, and VMALAB_REQUIRE_LIVE is set")
    pytest.skip(f"{reason} (VMALAB_REQUIRE_LIVE=1 makes this a failure)")


def read(path: str) -> str:
    """The text of a small file, "" when there is none."""
    try:
        return Path(path).read_text("utf-8", "surrogateescape")
    except OSError:
        return ""


def chosen(path: str, default: str) -> str:
    """The word in brackets of a file such as transparent_hugepage/enabled."""
    text = read(path)
    return text.partition("[")[2].partition("]")[0] if "[" in text else default


def trace_exec(path: str, argv: list[str], limits: dict[int, int], persona: int) -> Stopped:
    """Executes a program without randomisation and looks at it before its first instruction."""
    libc = ctypes.CDLL(None, use_errno=True)
    told, tell = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            libc.personality(ctypes.c_ulong(ADDR_NO_RANDOMIZE | persona))
            for number, soft in limits.items():
                resource.setrlimit(number, (soft, resource.getrlimit(number)[1]))
            libc.ptrace(PTRACE_TRACEME, 0, None, None)
            os.execve(path, argv, {})
        except OSError as error:
            os.write(tell, str(error.errno).encode())
        os._exit(127)
    os.close(tell)
    stopped = Stopped()
    try:
        _, word = os.waitpid(pid, 0)
        if os.WIFSTOPPED(word):
            stopped.killed = os.WSTOPSIG(word) != signal.SIGTRAP
            for name in ("maps", "smaps", "status", "stat", "numa_maps"):
                stopped.texts[name] = read(f"/proc/{pid}/{name}")
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        else:
            stopped.killed = os.WIFSIGNALED(word)
        stopped.errno = int(os.read(told, 16) or b"0")
    finally:
        os.close(told)
    return stopped


def live_config() -> KernelConfig:
    """The settings of the kernel that runs, for a version that there is a profile of."""
    version = tuple(int(word) for word in platform.release().split("-")[0].split(".")[:2])
    if platform.machine() != "x86_64" or version not in VERSIONS:
        unavailable(f"there is no profile of {platform.release()} on {platform.machine()}")
    config = KernelConfig()
    config.features = Features((version[0], version[1]))
    config.dac_mmap_min_addr = int(read("/proc/sys/vm/mmap_min_addr") or 4096)
    config.mmap_min_addr = max(config.dac_mmap_min_addr, 4096)
    config.thp_enabled = chosen("/sys/kernel/mm/transparent_hugepage/enabled", "never")
    config.shmem_enabled = chosen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "never")
    config.overcommit_memory = int(read("/proc/sys/vm/overcommit_memory") or 0)
    config.total_ram_pages = os.sysconf("SC_PHYS_PAGES")
    config.pkeys = "ProtectionKey" in read("/proc/self/smaps")
    config.soft_dirty = any(
        " sd " in line for line in read("/proc/self/smaps").splitlines() if "VmFlags" in line
    )
    config.numa_nodes = len(list(Path("/sys/devices/system/node").glob("node[0-9]*"))) or 1
    for line in read("/proc/self/maps").splitlines():
        if line.endswith("[vdso]"):
            start, _, end = line.split()[0].partition("-")
            config.vdso64_size = int(end, 16) - int(start, 16)
    return config


@pytest.fixture(scope="session")
def traced() -> None:
    """Skips unless a child can be traced and run without randomisation."""
    trial = trace_exec("/bin/true", ["true"], {}, 0)
    if "maps" not in trial.texts or trial.texts["maps"] == "":
        unavailable("a child cannot be traced here")
    if "7ffffffff000 rw-p" not in trial.texts["maps"]:
        unavailable("programs cannot be run without randomisation here")


@pytest.fixture
def live_machine() -> LinuxMachine:
    """A model of the kernel that runs the tests."""
    return LinuxMachine(live_config())


@pytest.fixture
def run_live(traced: None) -> object:
    """What executes a program on the kernel that runs: `trace_exec`."""
    return trace_exec
