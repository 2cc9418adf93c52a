# SPDX-License-Identifier: GPL-2.0-or-later
"""The executor works in a place of its own or not at all: no file of the user's is ever touched."""

import ctypes
import os
import platform
import select
import shutil
import signal
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import vmalab.cli.check
import vmalab.cli.main
from vmalab.linux.include.uapi import unistd as nr
from vmalab.linux.include.uapi.errno import EPERM
from vmalab.targets.real.build import executor_path
from vmalab.targets.real.live import LiveTarget
from vmalab.targets.real.settings import Settings
from vmalab.targets.real.target_errors import TargetError

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="the executor is for x86-64"),
]
NOBODY = 65534
EVIL = """\
100 execve("/bin/true", ["true"], 0x7ffe) = 0
100 openat(AT_FDCWD, "victim", O_RDWR|O_TRUNC) = 3
100 openat(AT_FDCWD, "f0", O_RDWR|O_TRUNC) = 4
100 ftruncate(4, 0) = 0
100 fallocate(4, FALLOC_FL_KEEP_SIZE|FALLOC_FL_PUNCH_HOLE, 0, 4096) = 0
100 openat(AT_FDCWD, "/tmp/new", O_RDWR|O_CREAT, 0777) = -1 EACCES (Permission denied)
100 openat(AT_FDCWD, "../new", O_RDWR|O_CREAT, 0777) = -1 EACCES (Permission denied)
100 unlink("victim") = 0
100 unlink("f1") = 0
100 openat(AT_FDCWD, "new", O_RDWR|O_CREAT, 0777) = 5
100 munmap(0x10000000, 4096) = 0
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache with the executor that every user can read."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VMALAB_CACHE", str(folder))
        try:
            executor_path()
        except TargetError as error:
            pytest.skip(str(error))
        for path in (folder, *folder.parents):
            if path == Path("/tmp") or path.owner() != Path.home().owner():
                break
            path.chmod(path.stat().st_mode | 0o055)
        yield folder


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A folder with files that the executor has the like of."""
    folder = tmp_path / "precious"
    folder.mkdir()
    for name in ("f0", "f1", "f2", "victim"):
        (folder / name).write_text(f"precious {name}\n")
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Recorded calls that would harm the current folder."""
    folder = tmp_path / "corpus" / "evil"
    folder.mkdir(parents=True)
    (folder / "calls.strace").write_text(EVIL)
    return folder.parent


def state(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that can be seen of a folder and what is in it."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        seen = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (seen.st_ino, seen.st_mode, seen.st_mtime_ns, seen.st_ctime_ns, content)
    return found


def give(folder: Path, uid: int) -> None:
    """Makes a user the owner of a folder and its files, reachable for that user."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, uid, uid)
    for path in folder.parents:
        if path == Path("/tmp"):
            break
        path.chmod(path.stat().st_mode | 0o011)


def run_apart(work: Callable[[], object], prepare: Callable[[], None] = lambda: None) -> str:
    """What `work` says in a process of its own, which `prepare` takes rights away from."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        try:
            prepare()
            said = str(work())
        except BaseException:
            said = traceback.format_exc()
        os.write(write, said.encode()[:60000])
        os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8", errors="replace") as file:
        said = file.read()
    os.waitpid(pid, 0)
    return said


def become_nobody() -> None:
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def forbid(*numbers: int) -> None:
    """Lets system calls fail with EPERM from now on."""
    code = [(0x20, 0, 0, 0)]
    for number in numbers:
        code += [(0x15, 0, 1, number), (0x06, 0, 0, 0x50000 | EPERM)]
    code.append((0x06, 0, 0, 0x7FFF0000))
    raw = b"".join(struct.pack("<HBBI", *line) for line in code)
    buffer = ctypes.create_string_buffer(raw, len(raw))
    program = ctypes.create_string_buffer(
        struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(buffer)), 16
    )
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, program, 0, 0) == 0


def command(*arguments: str) -> Callable[[], str]:
    """A command, run in this process: its exit status and all that it prints."""

    def work() -> str:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(write, 1)
            os.dup2(write, 2)
            os.close(read)
            sys.stdout, sys.stderr = (os.fdopen(fd, "w", closefd=False) for fd in (1, 2))
            sys.argv = ["vmalab", *arguments]
            status: object = 1
            try:
                status = vmalab.cli.main.main()
            except SystemExit as error:
                status = error.code
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status if isinstance(status, int) else 0)
        os.close(write)
        with open(read, encoding="utf-8", errors="replace") as file:
            said = file.read()
        return f"exit {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n{said}"

    return work


def open_live() -> str:
    """Enters the live target and has it make a call: what came of it."""
    try:
        with LiveTarget() as target:
            target.begin(Settings())
            return f"confined: {target.executor.abilities}"
    except TargetError as error:
        return f"refused: {error}"


def skip_unless_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")


def skip_unless_confined(cache: Path) -> None:
    said = run_apart(open_live)
    if not said.startswith("confined") and not os.environ.get("VMALAB_REQUIRE_LIVE"):
        pytest.skip(said)


CHECK = ("check", "--calls", "300", "--profile", "file", "--seed", "1")


@pytest.mark.parametrize("uses_corpus", [False, True], ids=["streams", "corpus"])
def test_folder_stays_as_it_is(
    cache: Path, precious: Path, corpus: Path, tmp_path: Path, uses_corpus: bool
) -> None:
    skip_unless_confined(cache)
    before = state(precious)
    more = ("--corpus", str(corpus)) if uses_corpus else ()
    save = ("--save", str(tmp_path / "found"))
    said = run_apart(command(*CHECK, *more, *save), lambda: os.chdir(precious))
    assert said.startswith("exit 0\n"), said
    assert state(precious) == before


@pytest.mark.parametrize("uses_corpus", [False, True], ids=["streams", "corpus"])
@pytest.mark.parametrize("mode", [0o755, 0o555], ids=["writable", "read-only"])
def test_folder_of_ordinary_user_stays_as_it_is(
    cache: Path, precious: Path, corpus: Path, mode: int, uses_corpus: bool
) -> None:
    skip_unless_root()
    give(precious, NOBODY)
    give(corpus, NOBODY)
    precious.chmod(mode)
    before = state(precious)

    def prepare() -> None:
        become_nobody()
        os.chdir(precious)

    if not run_apart(open_live, prepare).startswith("confined"):
        pytest.skip("this machine allows no user namespaces to other users than root")
    more = ("--corpus", str(corpus)) if uses_corpus else ()
    said = run_apart(command(*CHECK, *more), prepare)
    assert said.startswith("exit 0\n"), said
    assert state(precious) == before


@pytest.mark.parametrize("user", ["same", "nobody"])
def test_without_namespaces_nothing_is_run(cache: Path, precious: Path, user: str) -> None:
    if user == "nobody":
        skip_unless_root()
        give(precious, NOBODY)
    before = state(precious)

    def prepare() -> None:
        if user == "nobody":
            become_nobody()
        os.chdir(precious)
        forbid(nr.NR_unshare)

    said = run_apart(command(*CHECK), prepare)
    assert said.startswith("exit 2\n"), said
    assert "unshare(CLONE_NEWUSER): Operation not permitted" in said
    assert "no call is made on this machine" in said
    assert state(precious) == before


def test_root_of_a_user_namespace_is_not_taken_for_root(cache: Path, tmp_path: Path) -> None:
    skip_unless_confined(cache)
    flags = 0x10000000
    uid, gid = os.geteuid(), os.getegid()

    def prepare() -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"0 {uid} 1"),
            ("gid_map", f"0 {gid} 1"),
        ):
            Path(f"/proc/self/{name}").write_text(text)

    if run_apart(lambda: "", prepare):
        pytest.skip("this machine allows no user namespaces")
    check = ("check", "--calls", "600", "--profile", "mix", "--save", str(tmp_path / "found"))
    said = run_apart(command(*check), prepare)
    assert said.startswith("exit 0\n"), said


STEPS = {
    "prlimit64": "prlimit64(RLIMIT_CORE)",
    "mount": "mount(",
    "mkdir": "proc",
    "mknod": "creat(dev/zero)",
    "chdir": "chdir(/dev)",
    "pivot_root": "pivot_root",
    "umount2": "umount2(old root)",
    "openat2": "openat2",
    "dup3": "dup3",
    "close_range": "close_range",
    "personality": "personality",
    "capget": "capget",
    "capset": "capset",
    "seccomp": "seccomp",
}


@pytest.mark.parametrize("name", STEPS)
def test_step_that_fails_is_named_and_nothing_is_run(
    cache: Path, precious: Path, name: str
) -> None:
    skip_unless_confined(cache)
    before = state(precious)

    def prepare() -> None:
        os.chdir(precious)
        forbid(getattr(nr, f"NR_{name}"))

    said = run_apart(open_live, prepare)
    assert said.startswith(f"refused: the executor cannot be confined: {STEPS[name]}"), said
    assert "Operation not permitted" in said
    assert state(precious) == before


@pytest.mark.parametrize("name", ["setgroups", "setresgid", "setresuid"])
def test_user_that_cannot_be_taken_is_named(cache: Path, name: str) -> None:
    skip_unless_root()
    skip_unless_confined(cache)

    def work() -> str:
        with LiveTarget() as target:
            try:
                target.begin(Settings(uid=NOBODY, caps=0))
            except TargetError as error:
                return str(error)
        return "nothing failed"

    said = run_apart(work, lambda: forbid(getattr(nr, f"NR_{name}")))
    assert said == f"the executor cannot be confined: {name}: Operation not permitted"


def supervisor_of(target_pid: int) -> int:
    """The process that a live target's child waits for: the first of its own namespace."""
    children = Path(f"/proc/{target_pid}/task/{target_pid}/children").read_text().split()
    return int(children[0])


@pytest.fixture
def live(cache: Path) -> Iterator[LiveTarget]:
    """A live target that has been entered."""
    skip_unless_confined(cache)
    target = LiveTarget()
    with target as entered:
        entered.begin(Settings())
        yield target


def test_machine_has_no_name_in_the_executor(live: LiveTarget) -> None:
    root = f"/proc/{supervisor_of(live.pid)}/root"
    assert sorted(os.listdir(root)) == ["dev", "proc"]
    assert sorted(os.listdir(f"{root}/dev")) == ["shm", "zero"]
    assert os.listdir(f"{root}/dev/shm") == ["gold"]
    mounts = Path(f"/proc/{supervisor_of(live.pid)}/mountinfo").read_text().splitlines()
    places = [line.split()[4] for line in mounts]
    assert set(places) <= {"/", "/proc", "/dev/zero", "/dev/shm/gold"}


def test_executor_ends_when_its_check_is_killed(cache: Path) -> None:
    skip_unless_confined(cache)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        context = LiveTarget()
        with context as target:
            target.begin(Settings())
            os.write(write, struct.pack("<i", supervisor_of(context.pid)))
            signal.pause()
        os._exit(0)
    os.close(write)
    (supervisor,) = struct.unpack("<i", os.read(read, 4))
    os.close(read)
    watched = os.pidfd_open(supervisor)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    ready, _, _ = select.select([watched], [], [], 60)
    os.close(watched)
    assert ready == [watched]


def test_check_leaves_no_temporary_file(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_unless_confined(cache)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    fresh = tmp_path / "fresh"
    monkeypatch.setenv("VMALAB_CACHE", str(fresh))
    assert run_apart(open_live).startswith("confined")
    assert list(folder.iterdir()) == []
    assert [path.name.partition("-")[0] for path in fresh.iterdir()] == ["executor"]
    shutil.rmtree(fresh)
