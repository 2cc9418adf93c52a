# SPDX-License-Identifier: GPL-2.0-or-later
"""The Python code of the README and of the library's page runs, and prints what is shown there."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "docs/reference/library.md")
# A block, and the output that is shown right behind it, if any.
CODE = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
BLOCKS = [
    pytest.param(code, shown, id=f"{page}: {code.splitlines()[-1]}")
    for page in PAGES
    for code, shown in CODE.findall((ROOT / page).read_text("utf-8"))
]


@pytest.mark.parametrize(("code", "shown"), BLOCKS)
def test_code_prints_what_is_shown(code: str, shown: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "the manual", "exec"), {"__name__": "manual"})
    assert printed.getvalue()
    assert shown in ("", printed.getvalue())


def test_each_page_has_code() -> None:
    assert [page for page in PAGES if "```python" not in (ROOT / page).read_text("utf-8")] == []
    assert len(BLOCKS) >= 3
