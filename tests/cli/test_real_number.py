# SPDX-License-Identifier: GPL-2.0-or-later
"""Options that are real numbers: what cannot be compared with a range is refused."""

import pytest
from click.testing import CliRunner

from vmalab.cli.main import vmalab


@pytest.mark.parametrize("value", ["nan", "-nan", "inf", "1e999"])
@pytest.mark.parametrize(
    "command",
    [
        ["top", "--once", "--interval"],
        ["top", "--once", "--warn"],
        ["fleet", "report", ".", "--near"],
        ["enomem", "1", "--interval"],
        ["record", "--duration"],
        ["record", "--last"],
    ],
    ids=" ".join,
)
def test_no_number_is_refused(command: list[str], value: str) -> None:
    result = CliRunner().invoke(vmalab, [*command, value])
    assert result.exit_code == 2
    assert f"Invalid value for '{command[-1]}'" in result.output
