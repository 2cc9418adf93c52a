# SPDX-License-Identifier: GPL-2.0-or-later
"""The options by which a user states what a log lacks, at every command that has them."""

from pathlib import Path

import pytest
from click import Command
from click.testing import CliRunner

from vmalab.calls.errors import UsageError
from vmalab.cli.blame import blame
from vmalab.cli.enomem import enomem
from vmalab.cli.replay import replay
from vmalab.cli.whatif import whatif
from vmalab.cli.why import why

REFUSED = (
    "mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000100000\n"
    "mmap(NULL, 0x80000000, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = -1 ENOMEM\n"
)


@pytest.fixture
def log(tmp_path: Path) -> str:
    path = tmp_path / "calls.strace"
    path.write_text(REFUSED)
    return str(path)


@pytest.mark.parametrize(
    ("option", "check"),
    [
        (("--rlimit", "AS=1G"), "RLIMIT_AS"),
        (("--rlimit", "DATA=1G"), "RLIMIT_DATA"),
        (("--ram", "1G"), "overcommit guess"),
        (("--set", "vm.max_map_count=0"), "map count"),
    ],
)
def test_enomem_names_the_stated_limit(log: str, option: tuple[str, str], check: str) -> None:
    result = CliRunner().invoke(enomem, [log, "--json", *option])
    assert f'"check":"{check}"' in result.output


@pytest.mark.parametrize("command", [replay, why, blame])
def test_a_command_takes_statements(log: str, command: Command) -> None:
    result = CliRunner().invoke(command, [log, "--rlimit", "AS=1G", "--ram", "2G"])
    assert result.exit_code == 0
    assert "differ" not in result.output.replace("0 differ", "")


def test_whatif_keeps_what_was_from_what_could_be(log: str) -> None:
    words = [log, "--was-rlimit", "AS=1G", "--rlimit", "AS=unlimited"]
    result = CliRunner().invoke(whatif, words)
    assert result.exit_code == 0
    assert "no longer fail" in result.output


@pytest.mark.parametrize("option", [("--rlimit", "AS=big"), ("--set", "vm.x=1"), ("--ram", "0")])
def test_what_is_no_statement_is_refused(log: str, option: tuple[str, str]) -> None:
    result = CliRunner().invoke(replay, [log, *option])
    assert isinstance(result.exception, UsageError)
    assert option[1].split("=")[0] in str(result.exception)
