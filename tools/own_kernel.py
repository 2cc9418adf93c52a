#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds a kernel of our own configuration from Debian's sources, for `--target qemu:own`.

Debian's kernels have neither names of anonymous memory nor the checks of DEBUG_VM; this one has,
and little else, so it boots within about a second. It is optional: fetching and building takes
minutes, and needs gcc, make, flex, bison and bc.

usage: tools/own_kernel.py [SOURCE.tar.xz]       without it the sources are fetched with apt
"""

import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from kernels import BACKPORTS, Apt, Problem, cache_folder, sources_of

PACKAGE = "linux-source-7.3"
TOOLS = ("gcc", "make", "flex", "bison", "bc", "xz")
# On top of tinyconfig: what the executor needs, then what is to be checked.
OPTIONS = """
64BIT PRINTK TTY SERIAL_8250 SERIAL_8250_CONSOLE UNIX98_PTYS BLK_DEV_INITRD BINFMT_ELF MULTIUSER
PROC_FS PROC_SYSCTL PROC_PAGE_MONITOR SYSFS SYSCTL SHMEM TMPFS DEVTMPFS DEVMEM FUTEX POSIX_TIMERS
EVENTFD AIO FILE_LOCKING SECCOMP SECCOMP_FILTER NET NAMESPACES IPC_NS UTS_NS SYSVIPC BPF_SYSCALL
ADVISE_SYSCALLS MEMFD_CREATE USERFAULTFD KSM TRANSPARENT_HUGEPAGE TRANSPARENT_HUGEPAGE_MADVISE
CHECKPOINT_RESTORE MEM_SOFT_DIRTY SMP NUMA X86_64_ACPI_NUMA ACPI PCI ANON_VMA_NAME
DEBUG_KERNEL DEBUG_VM DEBUG_VM_MAPLE_TREE
"""
OFF = ("SECURITY", "MODULES", "RANDOMIZE_BASE")
JOBS = os.cpu_count() or 1


def fetch_source(folder: Path) -> Path:
    """The tar archive of the kernel's sources, from Debian's package. Errors: Problem."""
    apt = Apt(cache_folder() / "apt" / BACKPORTS, sources_of(BACKPORTS))
    apt.run("apt-get", "update", "-q")
    apt.run("apt-get", "download", PACKAGE, cwd=folder)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
    found = sorted(folder.glob("usr/src/linux-source-*.tar.xz"))
    if not found:
        raise Problem(f"{PACKAGE} holds no archive")
    return found[0]


def build(archive: Path, folder: Path) -> Path:
    """Unpacks, configures and builds: the image. Errors: CalledProcessError."""
    subprocess.run(["tar", "-xf", str(archive), "-C", str(folder)], check=True)
    source = next(path for path in folder.iterdir() if (path / "Kbuild").is_file())
    quiet = partial(subprocess.run, cwd=source, check=True, stdout=subprocess.DEVNULL)
    quiet(["make", "-s", "tinyconfig"])
    config = ["scripts/config"]
    for option in OPTIONS.split():
        config += ["-e", option]
    for option in OFF:
        config += ["-d", option]
    config += ["--set-str", "LOCALVERSION", "-vmalab"]
    quiet(config)
    quiet(["make", "-s", "olddefconfig"])
    missing = [
        option
        for option in ("ANON_VMA_NAME", "DEBUG_VM", "SHMEM", "PROC_PAGE_MONITOR", "DEVMEM")
        if f"CONFIG_{option}=y" not in (source / ".config").read_text().splitlines()
    ]
    if missing:
        raise Problem(f"the configuration refuses {', '.join(missing)}")
    print(f"own: building with {JOBS} jobs, which takes some minutes", flush=True)
    quiet(["make", "-s", f"-j{JOBS}", "bzImage"])
    return source / "arch/x86/boot/bzImage"


def main(arguments: list[str]) -> int:
    """Builds; 0 when the kernel is in the cache."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        print(f"own: skipped: needs {', '.join(missing)}", file=sys.stderr)
        return 1
    into = cache_folder() / "kernels" / "own"
    try:
        with tempfile.TemporaryDirectory(prefix="vmalab-kernel-") as name:
            folder = Path(name)
            archive = Path(arguments[0]) if arguments else fetch_source(folder)
            image = build(archive, folder)
            into.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(image, into / "vmlinuz.new")
            os.replace(into / "vmlinuz.new", into / "vmlinuz")
    except (Problem, OSError, subprocess.CalledProcessError, StopIteration) as problem:
        print(f"own: skipped: {problem}", file=sys.stderr)
        return 1
    print(f"own: built {into / 'vmlinuz'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
