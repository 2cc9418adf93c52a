# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the man pages of the command and of each verb, and what shells complete by.

usage: python tools/manpages.py FOLDER

The folder gets what a system has below /usr/share: man/man1, bash-completion/completions,
zsh/site-functions and fish/vendor_completions.d. A wheel installs it below its environment's share.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
from click.shell_completion import get_completion_class
from commands import Command, commands

# Where each shell looks for what it completes by.
COMPLETIONS = {
    "bash": "bash-completion/completions/vmalab",
    "zsh": "zsh/site-functions/_vmalab",
    "fish": "fish/vendor_completions.d/vmalab.fish",
}


def escaped(text: str) -> str:
    """Return text for roff: no character of it is a request or an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return f"\\&{text}" if text.startswith(".") else text


def head(name: str, about: str, version: str) -> Iterator[str]:
    """Yield the lines that begin a page."""
    yield '.\\" SPDX-License-Identifier: GPL-2.0-or-later'
    yield f'.TH {name.upper()} 1 "" "vmalab {version}" "vmalab"'
    yield ".SH NAME"
    yield f"{escaped(name)} \\- {escaped(about)}"


def options_lines(options: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a section of options."""
    yield ".SH OPTIONS"
    for spelling, meaning in options:
        yield ".TP"
        yield f"\\fB{escaped(spelling)}\\fR"
        yield escaped(meaning)


def verb_page(command: Command, version: str) -> str:
    """Return the page of a verb."""
    about = command.about.rstrip(".")
    lines = list(head(f"vmalab-{command.name}", about[:1].lower() + about[1:], version))
    lines += [".SH SYNOPSIS", f"\\fBvmalab {escaped(command.name)}\\fR {escaped(command.usage)}"]
    lines.append(".SH DESCRIPTION")
    for number, paragraph in enumerate(command.paragraphs):
        lines += [".PP"] * (number > 0) + [escaped(paragraph)]
    lines += options_lines(command.options)
    lines += [".SH EXAMPLE", ".nf", escaped(command.example), ".fi"]
    lines += [".SH SEE ALSO", "\\fBvmalab\\fR(1)"]
    return "\n".join(lines) + "\n"


def top_page(found: Sequence[Command], version: str) -> str:
    """Return the page of the command itself."""
    lines = list(head("vmalab", "the core of Linux's memory map in userland", version))
    lines += [".SH SYNOPSIS", "\\fBvmalab\\fR [\\-\\-version] \\fIVERB\\fR [\\fIOPTIONS\\fR]..."]
    lines += [
        ".SH DESCRIPTION",
        "Replays the memory calls of a real process, compares every result and every map with the "
        "recorded ones, and explains them: why a process has so many VMAs, which call made each, "
        "why a call failed with ENOMEM.",
    ]
    purpose = ""
    for command in found:
        if command.purpose != purpose:
            purpose = command.purpose
            lines.append(f'.SH "{escaped(purpose).upper()}"')
        lines += [".TP", f"\\fBvmalab\\-{escaped(command.name)}\\fR(1)", escaped(command.about)]
    lines += [
        ".SH EXIT STATUS",
        "0 and 1 belong to the verb; 2: the input or the command line cannot be used; "
        "130: interrupted.",
    ]
    return "\n".join(lines) + "\n"


def completion(shell: str) -> str:
    """Return what `vmalab completion SHELL` prints."""
    from vmalab.cli.main import vmalab

    found = get_completion_class(shell)
    if found is None:
        raise SystemExit(f"manpages: click {click.__version__} completes nothing in {shell}")
    return found(vmalab, {}, "vmalab", "_VMALAB_COMPLETE").source()


def write_all(folder: Path) -> dict[str, list[str]]:
    """Write everything; Returns: the files by the folder below share that they belong to."""
    from vmalab import __version__

    found = list(commands())
    texts = {"man/man1/vmalab.1": top_page(found, __version__)}
    for command in found:
        texts[f"man/man1/vmalab-{command.name}.1"] = verb_page(command, __version__)
    for shell, place in COMPLETIONS.items():
        texts[place] = completion(shell)
    installed: dict[str, list[str]] = {}
    for place, text in texts.items():
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        installed.setdefault(str(Path(place).parent), []).append(str(path))
    return installed


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    write_all(Path(sys.argv[1]))
