# SPDX-License-Identifier: GPL-2.0-or-later
"""What the rules need of a Markdown file: its links and its headings, outside code."""

import re
from collections.abc import Iterator

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def without_code(text: str) -> str:
    """Return the text with fenced blocks emptied; each line keeps its number."""
    return FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)


def line_of(text: str, offset: int) -> int:
    """Return the number of the line that an offset is in."""
    return text.count("\n", 0, offset) + 1


def links(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and target of each link."""
    prose = without_code(text)
    for match in LINK.finditer(prose):
        yield line_of(prose, match.start()), match[1]


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings on the web: lower case, spaces to hyphens."""
    headings = HEADING.findall(without_code(text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
