# SPDX-License-Identifier: GPL-2.0-or-later
"""Seconds and per cents on the command line: what is no number is refused before anything runs."""

import pytest
from click.testing import CliRunner

from vmalab.cli.main import vmalab


@pytest.mark.parametrize(
    "words",
    [
        ["enomem", "1", "--interval", "nan"],
        ["top", "--once", "--interval", "NaN"],
        ["top", "--once", "--warn", "nan"],
        ["record", "-o", "run", "--duration", "nan", "true"],
        ["record", "-o", "run", "--last", "-nan", "true"],
        ["fleet", "--near", "nan", "runs"],
    ],
    ids=lambda words: "-".join(word.strip("-") for word in words[:3]),
)
def test_nan_is_no_amount(words: list[str]) -> None:
    done = CliRunner().invoke(vmalab, words)
    assert done.exit_code == 2
    assert "nan' is not a number." in done.stderr.lower()
