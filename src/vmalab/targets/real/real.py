# SPDX-License-Identifier: GPL-2.0-or-later
"""A real kernel as a target: streams of calls, each in a fresh address space, and what is so there.

What the model needs to know of a kernel is asked of that kernel: its sysctls from /proc and /sys,
in a guest by its executor, and its configuration by trying what it decides.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

from vmalab.calls.call import Call
from vmalab.calls.snapshot import Snapshot, vmas_of
from vmalab.calls.symbols import NUMBER_OF_SYSCALL
from vmalab.linux.include.uapi.errno import EINVAL, ENOSYS
from vmalab.targets.real.answers import Started
from vmalab.targets.real.beginning import Beginning
from vmalab.targets.real.config_probes import PROBES, WINDOW, probed
from vmalab.targets.real.config_probes import TID as TID
from vmalab.targets.real.executor import (
    CAN_IPC,
    CAN_NAMESPACES,
    IN_USER_NAMESPACE,
    IS_INIT,
    START_KEEPS_VDSO,
    START_PERSONALITY,
    START_PLACE,
    START_UNFILTERED,
    Executor,
)
from vmalab.targets.real.huge_pool import HugePool
from vmalab.targets.real.settings import (
    HUGE_PAGES,
    KERNEL,
    MIB,
    PLACES,
    THP,
    Settings,
    file_of_setting,
)
from vmalab.targets.real.target_errors import TargetError
from vmalab.targets.real.wire import DENIED, OVER_BOUND, add_call, snapshot_words

# Memory that the calls of one stream may take: at most so much, and this part of what is available.
MAX_BOUND: Final = 1 << 30
PART_OF_AVAILABLE: Final = 4
MIN_BOUND: Final = 16 * MIB

_SYSCTLS: Final = (
    "vm.max_map_count",
    "vm.overcommit_memory",
    "vm.overcommit_ratio",
    "vm.mmap_min_addr",
    "vm.legacy_va_layout",
    "vm.user_reserve_kbytes",
    "vm.admin_reserve_kbytes",
    "vm.memfd_noexec",
    "vm.unprivileged_userfaultfd",
    "vm.nr_hugepages",
    "vm.nr_overcommit_hugepages",
)
# Modes of transparent huge pages, of shmem by size too.
_HUGE_PAGES: Final = (
    "enabled",
    "shmem_enabled",
    *(f"hugepages-{4 << order}kB/shmem_enabled" for order in range(1, 10)),
)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What streams may contain on a target.

    files: the two files of its own are there. ipc: System V ids start at 0 in each stream. numa,
    userfaultfd, anon_names, ksm, pkeys, secretmem, populate (MADV_POPULATE_*): the kernel has them.
    soft_dirty: it does, and lets it be cleared. int80: it answers calls of i386. privileged:
    workers can be root. sysctls: they may be set, the kernel being a guest's. places: what a
    stream's folder may be. kernel: what it may be told for a stream.
    """

    files: bool = False
    ipc: bool = False
    numa: bool = False
    userfaultfd: bool = False
    anon_names: bool = False
    ksm: bool = False
    pkeys: bool = False
    privileged: bool = False
    sysctls: bool = False
    secretmem: bool = False
    soft_dirty: bool = False
    int80: bool = False
    places: tuple[str, ...] = PLACES[:2]
    kernel: tuple[tuple[str, str], ...] = ()
    populate: bool = True


@final
class RealTarget:
    """A kernel behind an executor. name: as the user called it.

    share: how many executors of a check divide the machine's memory between them. read: gives the
    text of a file of that kernel's /proc or /sys; without it the executor does. admits: tells which
    calls can be part of a profile's streams there, None for all. remarks: tells, between streams,
    what a reader of their results must know. last_words: tells what a guest's kernel said last.
    """

    def __init__(
        self,
        name: str,
        executor: Executor,
        share: int = 1,
        read: Callable[[str], str | None] | None = None,
        admits: Callable[[str, Call], bool] | None = None,
        remarks: Callable[[], tuple[str, ...]] = tuple,
        last_words: Callable[[], str] = str,
    ) -> None:
        """Errors: TargetError when the executor does not answer, or could not be confined."""
        self.name = name
        self.admits = admits
        self.remarks = remarks
        self.last_words = last_words
        self._share = share
        self._read = read or executor.read_file
        self.bound = MIN_BOUND
        self.executor = executor
        executor.hello()
        self.release = executor.release
        self.facts: dict[str, object] = {}
        self.abilities = Abilities()
        # What the kernel has been told for the present stream, and what was so before.
        self._set: dict[str, str] = {}
        self._usual: dict[str, int | str] = {}
        self._pool = HugePool(self._read, executor.write_file)
        self._ask()
        self._facts_now = self.facts

    # What is so there.

    def _number(self, path: str) -> int | None:
        text = self._read(path)
        found = re.match(r"-?\d+", text.strip()) if text else None
        return int(found.group()) if found else None

    def _memory(self) -> dict[str, int]:
        text = self._read("/proc/meminfo") or ""
        return {name: int(size) for name, size in re.findall(r"^(\w+): +(\d+)", text, re.M)}

    def _chosen(self, path: str) -> str | None:
        """Return the word in brackets of a setting."""
        found = re.search(r"\[(\w+)\]", self._read(path) or "")
        return found.group(1) if found else None

    def _ask(self) -> None:
        """Collect the facts that decide results, in the form of a recording's meta.json."""
        memory = self._memory()
        self._bound_memory(memory.get("MemAvailable", 0) * 1024)
        sysctl: dict[str, object] = {"kernel.randomize_va_space": 0}
        for name in _SYSCTLS:
            value = self._number("/proc/sys/" + name.replace(".", "/"))
            if value is not None:
                sysctl[name] = value
        modes = {name: self._chosen(THP + name) for name in _HUGE_PAGES}
        zero_page = self._number(THP + "use_zero_page")
        found = self._probe()
        nodes = (self._read("/sys/devices/system/node/online") or "0").strip()
        config = {
            "CONFIG_TRANSPARENT_HUGEPAGE": modes["enabled"] is not None,
            "CONFIG_MEM_SOFT_DIRTY": found["soft_dirty"],
            "CONFIG_ANON_VMA_NAME": found["anon_names"],
            "CONFIG_KSM": found["ksm"],
            "CONFIG_USERFAULTFD": found["userfaultfd"],
            "CONFIG_NUMA": found["numa"],
            "CONFIG_SWAP": found["swap"],
            "CONFIG_CHECKPOINT_RESTORE": found["checkpoint_restore"],
            "CONFIG_X86_USER_SHADOW_STACK": found["shadow_stack"],
            "CONFIG_SECRETMEM": found["secretmem"],
        }
        known = {name: mode for name, mode in modes.items() if mode is not None}
        if zero_page is not None:
            known["use_zero_page"] = str(zero_page)
        self.facts = {
            "format": 1,
            "kernel": {
                "release": self.release,
                "version": self.executor.version,
                "machine": "x86_64",
                "config": config,
            },
            "page_size": 4096,
            "total_ram_pages": memory.get("MemTotal", 0) // 4,
            "swap_total_kb": memory.get("SwapTotal", 0),
            "commit_limit_kb": memory.get("CommitLimit", 0),
            "committed_as_kb": memory.get("Committed_AS", 0),
            "hugepagesize_kb": memory.get("Hugepagesize", 2048),
            "nodes": nodes,
            "pkeys": "yes" if found["pkeys"] else "no",
            "sysctl": sysctl,
            "thp": known,
            "min_addr_effective": found["min_addr"],
        }
        bits = self.executor.abilities
        self.abilities = Abilities(
            files=bits & CAN_NAMESPACES != 0,
            ipc=bits & CAN_IPC != 0,
            numa=bool(found["numa"]),
            userfaultfd=bool(found["userfaultfd"]),
            anon_names=bool(found["anon_names"]),
            ksm=bool(found["ksm"]),
            pkeys=bool(found["pkeys"]),
            privileged=bool(found["privileged"]) and bits & IN_USER_NAMESPACE == 0,
            sysctls=bits & IS_INIT != 0,
            secretmem=bool(found["secretmem"]),
            kernel=tuple(
                setting
                for setting in (*KERNEL, HUGE_PAGES)
                if bits & IS_INIT and self._read(file_of_setting(setting[0])) is not None
            ),
            soft_dirty=bits & IS_INIT != 0 and bool(found["soft_dirty"]),
            int80=self._has_int80(),
            populate=bool(found["populate"]),
            places=self._places(modes["shmem_enabled"] is not None),
        )

    def _places(self, huge: bool) -> tuple[str, ...]:
        """Return those of PLACES that this kernel has; huge: whether shmem has huge pages."""
        types = (self._read("/proc/filesystems") or "").split()
        return tuple(
            place
            for place in PLACES
            if place.partition(",")[0] in types and (huge or "huge=" not in place)
        )

    def _bound_memory(self, available: int) -> None:
        """Decide how many bytes a stream's calls may take. Errors: TargetError, too few."""
        self.bound = min(MAX_BOUND, available // PART_OF_AVAILABLE // self._share)
        if self.bound < MIN_BOUND:
            raise TargetError(
                f"{self.name}: {available // MIB} MiB of memory are available, too little for "
                f"{self._share} streams at a time: each needs {MIN_BOUND // MIB} MiB, and all of "
                f"them may take a {PART_OF_AVAILABLE}th"
            )

    def _probe(self) -> dict[str, int]:
        """Try what the configuration decides, in a worker of its own."""
        started = self._start(Settings())
        words: list[int] = []
        for call in PROBES:
            add_call(words, call)
        answer = self.executor.run(words + snapshot_words())
        self.executor.end()
        if answer.died or len(answer.results) != len(PROBES) or len(answer.maps) != 1:
            raise TargetError(f"{self.name}: the executor's trial run failed: {answer.died}")
        flags: tuple[str, ...] = ()
        for line in answer.maps[0].lines():
            if line.start == WINDOW:
                flags = line.flags or ()
        return probed(answer.results, flags, started.status)

    def _has_int80(self) -> bool:
        """Return whether a call by int 0x80 is answered: a kernel without ends the worker."""
        self._start(Settings())
        words: list[int] = []
        add_call(words, Call(TID, "munmap", (1, 0, 0, 0, 0, 0), abi="i386"))
        answer = self.executor.run(words, flush=True)
        self.executor.end()
        return answer.results == [-EINVAL]

    # Streams.

    def _start(self, settings: Settings) -> Started:
        flags = START_KEEPS_VDSO if settings.keeps_vdso else 0
        flags |= 0 if settings.filtered else START_UNFILTERED
        flags |= PLACES.index(settings.place) << START_PLACE
        flags |= settings.personality << START_PERSONALITY
        started = self.executor.start(
            flags, settings.uid, settings.caps, self.bound, settings.limits()
        )
        if isinstance(started, str):
            raise TargetError(f"{self.name}: a worker {started}")
        return started

    def begin(self, settings: Settings) -> Beginning:
        """Start the worker of a new stream. Errors: TargetError."""
        self.executor.end()
        facts = self._with_sysctls(settings)
        started = self._start(settings)
        return Beginning(facts, started, self.executor.abilities & IN_USER_NAMESPACE == 0)

    def _with_sysctls(self, settings: Settings) -> dict[str, object]:
        """Set what the stream wants set, and the rest as it was; the facts as they are then."""
        wanted = dict(settings.kernel)
        if settings.max_map_count:
            wanted["vm.max_map_count"] = str(settings.max_map_count)
        pool = HUGE_PAGES[0] in wanted
        if not self.abilities.sysctls or (wanted == self._set and not pool):
            return self._facts_now
        known = {name: dict(self._group(name)) for name in ("sysctl", "thp")}
        for name in {**self._set, **wanted}:
            if name not in self._usual:
                self._usual[name] = self._value(name)
            value = wanted.get(name, self._usual[name])
            path = file_of_setting(name)
            if name == HUGE_PAGES[0]:
                # In the end too: what comes back after it would be free for a stream without any.
                now: int | str = self._pool.fill(path, int(value))
            else:
                self.executor.write_file(path, str(value))
                now = self._value(name)
            if name in wanted:
                # What it is now: of huge pages there may be fewer.
                known["sysctl" if name.startswith("vm.") else "thp"][name] = now
        self._set = wanted
        self._facts_now = {**self.facts, **known} if wanted else self.facts
        return self._facts_now

    def _value(self, name: str) -> int | str:
        path = file_of_setting(name)
        value = self._number(path) if name.startswith("vm.") else self._chosen(path)
        if value is None:
            raise TargetError(f"{self.name}: {path} cannot be read")
        return value

    def _group(self, name: str) -> dict[str, object]:
        group = self.facts[name]
        assert isinstance(group, dict)
        return group

    def end(self) -> str:
        """End the stream: "", or how its worker died."""
        return self.executor.end()

    def apply(self, call: Call) -> int:
        """Carry out one call in the current worker.

        Errors: TargetError when that kills the worker, or the executor does not make such calls;
        CannotEncode for memory behind a pointer that has no form.
        """
        if call.tid != TID or call.name not in NUMBER_OF_SYSCALL:
            return -ENOSYS
        words: list[int] = []
        add_call(words, call)
        answer = self.executor.run(words)
        if answer.died or len(answer.results) != 1:
            raise TargetError(f"{self.name}: {call.name}: the worker {answer.died or 'is gone'}")
        result = answer.results[0]
        if result in (DENIED, OVER_BOUND):
            why = "takes more memory than it may" if result == OVER_BOUND else "is none it makes"
            raise TargetError(f"{self.name}: {call.name}: this call {why}")
        return result

    def snapshot(self, tid: int) -> Snapshot:
        """Return the map of the current worker, [] of any other thread.

        Errors: TargetError when it cannot be read.
        """
        if tid != TID:
            return []
        answer = self.executor.run(snapshot_words())
        if answer.died or len(answer.maps) != 1 or answer.maps[0].error:
            raise TargetError(f"{self.name}: the map of the worker cannot be read")
        return vmas_of(answer.maps[0].lines())
