# SPDX-License-Identifier: GPL-2.0-or-later
"""What surrounds the lines of a log or a map where people paste them, and how to take it off.

Issues, mails and web pages put quotation marks, indentation, prompts, code fences, colours and
entities around the lines, and leave some out.
"""

import re
from typing import Final

from vmalab.patterns import pattern

# Why a line is not understood that stands for lines which the person left out.
ELIDED: Final = "lines are left out here"
# Why a line is not understood that is a range of /proc/PID/maps, or a field of smaps below one.
OF_A_MAP: Final = "a line of a memory map"

# Colours and other commands to a terminal, its title among them.
_COLOUR = pattern(
    r"(?:\x1b|\^\[)(?:\[[0-9;?]{0,20}[A-Za-z]|[()][A-Z0-9]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\))"
)
# What editors and mail programs make of characters, all of ASCII, that strace prints; and
# characters without a width.
_TYPESET: Final = {
    **dict.fromkeys((0x00A0, 0x2007, 0x202F), " "),
    **dict.fromkeys((0x201C, 0x201D, 0x201E, 0x201F), '"'),
    **dict.fromkeys((0x2018, 0x2019), "'"),
    **dict.fromkeys((0x2010, 0x2011, 0x2013, 0x2212), "-"),
    **dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF), ""),
    0x2014: "---",
    0x2026: "...",
}
# Entities that only a web page can have put there: they stand where strace writes `<`, `>`, `"`.
_ENTITIES = pattern(r"&lt;(?:unfinished |\.\.\. )|[(, ]&quot;| [=-]&gt; |&lt;/|\d&lt;|^ ?&gt; ")
_ENTITY: Final = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#34;": '"', "&#39;": "'", "&amp;": "&"}
_ENTITY_NAMES = pattern("|".join(_ENTITY))
# Quotation marks of mails and Markdown, bullets, table bars, line numbers, stamps of log daemons.
_AROUND = pattern(
    r"\s+|(?:> ?)+|\|\s+|[*+-]\s+|\u00a0+|<(?:pre|code|tt)>|"
    r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [\w.-]+ [\w./-]+(?:\[\d+\])?: |"
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\dZ:+-]* |\[ *\d{1,9}\.\d{1,9}\] |\d{1,7}[:|]\s",
    re.ASCII,
)
# What can stand behind a line: blanks, bars of a table, marks of bold and of code, quotes; tags.
MARKS: Final = ' \t\r|*`",'
_BEHIND: Final = ("</pre>", "</code>", "</tt>", "<br>", "<br/>", "<br />")
_MAX_AROUND: Final = 16
# A line that is longer is of no page.
_MAX_PASTED: Final = 1 << 14

_FENCE = pattern(
    r"(?:`{3,}|~{3,})\s*[\w+-]*$|</?(?:pre|code|tt|details|summary|p|div)\b[^>]*>$|"
    r"\{(?:code|noformat)\b[^}]*\}$|\[/?(?:code|pre|quote)\b[^\]]*\]$|Script (?:started|done) on "
)
_ELISION = pattern(
    r"(?:[\[(<{*-]{0,3}\s*)(?:\.{2,}|\u2026|snip(?:ped)?|cut|truncated|omitted|skipp?ed|elided)"
    r"(?:[\w ,.\u2026:-]{0,60})(?:\s*[\])>}*-]{0,3})$",
    re.IGNORECASE,
)
_RANGE = pattern(
    r"[0-9a-f]{4,16}-[0-9a-f]{4,16} [r-][w-][x-][ps] [0-9a-f]{1,16} [0-9a-f]{2,8}:[0-9a-f]{2,8} \d",
    re.ASCII,
)
_FIELD = pattern(r"[A-Z]\w{1,30}: +\d{1,19}(?: kB)?$|VmFlags: ", re.ASCII)
_PROMPT = pattern(
    r"(?:\([\w.-]+\) ?)?(?:[\w.-]+@[\w.-]+[: ][^\s$#%>]*|\[[\w.-]+@[\w.-]+ [^\]]*\]|[\w./~-]{0,40})"
    r"[$#%>](?: .*)?$|[\u276f\u279c\u03bb](?: .*)?$",
    re.ASCII,
)


def uncoloured(line: str) -> str:
    """Return a line without colours and other commands to a terminal."""
    return _COLOUR().sub("", line) if "\x1b" in line or "^[" in line else line


def retyped(line: str) -> str:
    """Return a line of strace with the characters that it had before somebody set it in type."""
    return line if line.isascii() else line.translate(_TYPESET)


def restore(line: str) -> str:
    """Return a line without colours, and with the characters that a web page's entities are."""
    line = uncoloured(line)
    if "&" in line and _ENTITIES().search(line):
        line = _ENTITY_NAMES().sub(lambda found: _ENTITY[found.group()], line)
    return line


def unwrap(line: str) -> str:
    """Return a restored line without what a paste puts around it."""
    if len(line) > _MAX_PASTED:
        return line
    at = 0
    for _ in range(_MAX_AROUND):
        around = _AROUND().match(line, at)
        if around is None:
            break
        at = around.end()
    plain = line[at:].rstrip()
    for behind in _BEHIND:
        plain = plain.removesuffix(behind).rstrip()
    return plain


def is_elision(line: str) -> bool:
    """Return whether an unwrapped line stands for lines that were left out: `...`, `<snip>`."""
    return len(line) < 100 and _ELISION().match(line) is not None


def why_unread(line: str, before: str) -> str:
    """Return why an unwrapped line that is none of strace's is not understood.

    before: why the line before it is not, "" where it is.
    """
    if is_elision(line):
        return ELIDED
    if _RANGE().match(line) or (before == OF_A_MAP and _FIELD().match(line)):
        return OF_A_MAP
    return "not a call, signal, exit or note"


def is_frame(line: str) -> bool:
    """Return whether an unwrapped line belongs to the page around, not to what it shows.

    A code fence or tag, a shell's or debugger's prompt with its command, nothing at all; the end of
    a call that nothing was printed of.
    """
    return line in ("", "<detached ...>") or (
        len(line) < 1000 and (_FENCE().match(line) is not None or _PROMPT().match(line) is not None)
    )
