# SPDX-License-Identifier: GPL-2.0-or-later
"""What surrounds the lines of a log or a map where people paste them, and how to take it off.

Issues, mails and web pages put quotation marks, indentation, prompts, code fences, colours and
entities around the lines, and leave some out.
"""

import re
from typing import Final

# Why a line is not understood that stands for lines which the person left out.
ELIDED: Final = "lines are left out here"

_COLOUR = re.compile(r"(?:\x1b|\^\[)\[[0-9;?]{0,20}[A-Za-z]")
# Entities that only a web page can have put there: they stand where strace writes `<`, `>`, `"`.
_ENTITIES = re.compile(r"&lt;(?:unfinished |\.\.\. )|[(, ]&quot;| =&gt; |&lt;/|\d&lt;|^ ?&gt; ")
_ENTITY: Final = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#34;": '"', "&#39;": "'", "&amp;": "&"}
_ENTITY_NAMES = re.compile("|".join(_ENTITY))
# Quotation marks of mails and Markdown, bullets, table bars, line numbers, stamps of log daemons.
_AROUND = re.compile(
    r"\s+|(?:> ?)+|\|\s+|[*+-]\s+|\u00a0+|<(?:pre|code|tt)>|"
    r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]+ [\w./-]+(?:\[\d+\])?: |"
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\dZ:+-]* |\[ *\d{1,9}\.\d{1,9}\] |\d{1,7}[:|]\s",
    re.ASCII,
)
_BEHIND: Final = ("</pre>", "</code>", "</tt>", "<br>", "<br/>", "<br />")
_MAX_AROUND: Final = 16
# A line that is longer is of no page.
_MAX_PASTED: Final = 1 << 14

_FENCE = re.compile(r"(?:`{3,}|~{3,})\s*[\w+-]*$|</?(?:pre|code|tt|details|summary|p|div)\b[^>]*>$")
_ELISION = re.compile(
    r"(?:[\[(<{*-]{0,3}\s*)(?:\.{2,}|\u2026|snip(?:ped)?|cut|truncated|omitted|skipp?ed|elided)"
    r"(?:[\w ,.\u2026:-]{0,60})(?:\s*[\])>}*-]{0,3})$",
    re.IGNORECASE,
)
_PROMPT = re.compile(
    r"(?:\([\w.-]+\) ?)?(?:[\w.-]+@[\w.-]+[: ][^\s$#%>]*|\[[\w.-]+@[\w.-]+ [^\]]*\]|[\w./~-]{0,40})"
    r"[$#%>](?: .*)?$",
    re.ASCII,
)


def restore(line: str) -> str:
    """Return a line without colours, and with the characters that a web page's entities are."""
    if "\x1b" in line or "^[" in line:
        line = _COLOUR.sub("", line)
    if "&" in line and _ENTITIES.search(line):
        line = _ENTITY_NAMES.sub(lambda found: _ENTITY[found.group()], line)
    return line


def unwrap(line: str) -> str:
    """Return a restored line without what a paste puts around it."""
    if len(line) > _MAX_PASTED:
        return line
    at = 0
    for _ in range(_MAX_AROUND):
        around = _AROUND.match(line, at)
        if around is None:
            break
        at = around.end()
    plain = line[at:].rstrip()
    for behind in _BEHIND:
        plain = plain.removesuffix(behind).rstrip()
    return plain


def is_elision(line: str) -> bool:
    """Return whether an unwrapped line stands for lines that were left out: `...`, `<snip>`."""
    return len(line) < 100 and _ELISION.match(line) is not None


def is_frame(line: str) -> bool:
    """Return whether an unwrapped line belongs to the page around, not to what it shows.

    A code fence or tag, a shell's or debugger's prompt with its command, nothing at all.
    """
    return not line or (
        len(line) < 1000 and (_FENCE.match(line) is not None or _PROMPT.match(line) is not None)
    )
