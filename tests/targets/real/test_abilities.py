# SPDX-License-Identifier: GPL-2.0-or-later
"""What a machine is found to be able to do, and what is advised where it is not."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from vmalab.cli.main import vmalab
from vmalab.targets.real import abilities as looks
from vmalab.targets.real.abilities import Ability, abilities


def test_what_is_missing_has_a_cure() -> None:
    found = list(abilities())
    assert len({item.name for item in found}) == len(found)
    assert all(item.cure for item in found if not item.there and item.name != "KVM")


def test_without_programs_and_rights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    texts = {
        "/proc/sys/kernel/yama/ptrace_scope": "2",
        "/proc/sys/kernel/perf_event_paranoid": "3",
        "/proc/self/status": "CapEff:\t0000000000000000",
    }
    monkeypatch.setattr(looks, "_text", lambda path: texts.get(path, ""))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setenv("VMALAB_CACHE", str(tmp_path))
    found = {item.name: item for item in abilities()}
    assert not found["strace"].there
    assert found["ptrace"].state == "kernel.yama.ptrace_scope is 2"
    assert found["perf events"].cure == "run as root, or with CAP_PERFMON"
    assert found["kernels"] == Ability(
        "kernels",
        "check --target qemu:VERSION",
        False,
        "none in the cache",
        "in a checkout: make kernels",
    )


def test_the_command_prints_them_all() -> None:
    done = CliRunner().invoke(vmalab, ["doctor", "--json"])
    assert done.exit_code == 0
    told = json.loads(done.output)["abilities"]
    assert [item["name"] for item in told] == [item.name for item in abilities()]
    table = CliRunner().invoke(vmalab, ["doctor"]).output
    assert table.count("yes") >= 1
