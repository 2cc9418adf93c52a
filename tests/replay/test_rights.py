# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers that credentials and filters decide: predicted where they are told, adopted elsewhere."""

import json
import shutil
from pathlib import Path

import pytest

from vmalab.recording.format.recording import RecordingFiles
from vmalab.replay.replay import Options, Replay
from vmalab.replay.report import ReplayReport

RECORDINGS = Path(__file__).parents[1] / "data" / "rights"
EXEC = 'execve("/bin/x", ["x"], 0x7ffc /* 3 vars */) = 0\n'
A = 0x7F0000100000
PAGES = f"mmap(NULL, 1048576, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = {A:#x}\n"
LIMIT = "prlimit64(0, RLIMIT_MEMLOCK, {rlim_cur=64*1024, rlim_max=64*1024}, NULL) = 0\n"
NO_MEMORY = "-1 ENOMEM (Cannot allocate memory)\n"
NO_PERMISSION = "-1 EPERM (Operation not permitted)\n"
LOCK = f"mlock({A:#x}, 131072) = "
MBIND = f"mbind({A + 65536:#x}, 65536, MPOL_BIND, [0x1], 64, 0) = "
CODE = "mmap(NULL, 4096, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = "


def replay(path: Path) -> ReplayReport:
    return Replay(RecordingFiles(str(path)), Options(maps=True)).run()


def replay_log(tmp_path: Path, log: str) -> ReplayReport:
    path = tmp_path / "calls.strace"
    path.write_text(EXEC + PAGES + log)
    return replay(path)


def adopted(report: ReplayReport) -> dict[str, int]:
    """Reasons for adopting, but for the first placement of a bare log."""
    found = dict(report.total.adopted_reasons)
    found.pop("unknown layout", None)
    return found


def test_rights_given_up_are_predicted() -> None:
    """setuid, keepcaps and capset, groups, ambient capabilities over an exec, user namespaces."""
    report = replay(RECORDINGS / "drops")
    assert report.identical
    assert report.total.adopted == 0


def unseen(tmp_path: Path) -> Path:
    """The same recording by a recorder that does not know these calls."""
    path = tmp_path / "unseen"
    shutil.copytree(RECORDINGS / "drops", path)
    lines = (path / "calls.strace").read_text().splitlines()
    names = ("setuid(", "setresuid(", "setresgid(", "setgroups(", "capset(", "PR_SET_KEEPCAPS")
    hidden = [
        line if not any(name in line for name in names) else "7 getpid() = 7" for line in lines
    ]
    (path / "calls.strace").write_text("\n".join(hidden) + "\n")
    meta = json.loads((path / "meta.json").read_text())
    del meta["credentials"]
    (path / "meta.json").write_text(json.dumps(meta))
    return path


def test_rights_given_up_unseen_are_adopted(tmp_path: Path) -> None:
    report = replay(unseen(tmp_path))
    assert report.total.differ == 0
    assert adopted(report).keys() == {"unknown credentials"}
    assert 0 < report.total.adopted < 20


def test_filters_refuse_what_nothing_tells() -> None:
    report = replay(RECORDINGS / "filtered")
    assert report.identical
    assert adopted(report) == {"refused by a filter": 2}


def test_setuid_in_a_plain_log_is_followed(tmp_path: Path) -> None:
    report = replay_log(tmp_path, LIMIT + LOCK + "0\nsetuid(65534) = 0\n" + LOCK + NO_MEMORY)
    assert report.total.differ == 0
    assert adopted(report) == {}


def test_a_plain_log_may_begin_without_rights(tmp_path: Path) -> None:
    """Once a refusal has shown it, the next ones are predicted."""
    report = replay_log(tmp_path, LIMIT + (LOCK + NO_MEMORY) * 3)
    assert report.total.differ == 0
    assert adopted(report) == {"unknown credentials": 1}


def test_a_refused_call_leaves_the_map(tmp_path: Path) -> None:
    report = replay_log(tmp_path, MBIND + NO_PERMISSION)
    assert adopted(report) == {"refused by a filter": 1}
    assert [(line.start, line.end) for line in report.images["0.1"].final] == [(A, A + (1 << 20))]


@pytest.mark.parametrize("errno", ["EPERM", "EACCES", "ENOSYS"])
def test_filters_answer_some_errors(tmp_path: Path, errno: str) -> None:
    assert adopted(replay_log(tmp_path, f"{MBIND}-1 {errno} (x)\n")) == {"refused by a filter": 1}


def test_what_a_filter_let_pass_it_does_not_refuse(tmp_path: Path) -> None:
    report = replay_log(tmp_path, MBIND + "0\n" + MBIND + NO_PERMISSION)
    assert report.total.differ == 1


def test_a_further_filter_may_refuse_it(tmp_path: Path) -> None:
    further = "seccomp(SECCOMP_SET_MODE_FILTER, 0, {len=1, filter=0x7f0000000000}) = 0\n"
    report = replay_log(tmp_path, MBIND + "0\n" + further + MBIND + NO_PERMISSION)
    assert report.total.differ == 0
    assert adopted(report) == {"refused by a filter": 1}


def test_filters_that_refuse_code_let_other_mappings_pass(tmp_path: Path) -> None:
    report = replay_log(tmp_path, CODE + NO_PERMISSION)
    assert adopted(report) == {"refused by a filter": 1}


def test_fork_that_a_filter_refuses_has_that_reason(tmp_path: Path) -> None:
    fork = "clone3({flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD}, 88) = -1 ENOSYS (x)\n"
    assert adopted(replay_log(tmp_path, fork)) == {"refused by a filter": 1}
    fork = fork.replace("ENOSYS", "EAGAIN")
    assert adopted(replay_log(tmp_path, fork)) == {"unknown limit": 1}


ASKED = [
    "geteuid() = 1000\n",
    "getresuid([0], [1000], [0]) = 0\n",
    "capget({version=_LINUX_CAPABILITY_VERSION_3, pid=0}, "
    "{effective=1<<CAP_CHOWN, permitted=1<<CAP_CHOWN, inheritable=0}) = 0\n",
]


@pytest.mark.parametrize("asked", ASKED, ids=["geteuid", "getresuid", "capget"])
def test_who_a_program_is_shows_in_what_it_asks(tmp_path: Path, asked: str) -> None:
    report = replay_log(tmp_path, LIMIT + asked + LOCK + NO_MEMORY)
    assert report.total.differ == 0
    assert adopted(report) == {}


def test_limit_that_a_program_asks_for_is_learnt(tmp_path: Path) -> None:
    limit = "prlimit64(0, RLIMIT_MEMLOCK, NULL, {rlim_cur=65536, rlim_max=65536}) = 0\n"
    report = replay_log(tmp_path, ASKED[0] + limit + LOCK + NO_MEMORY)
    assert report.total.differ == 0
    assert adopted(report) == {}
