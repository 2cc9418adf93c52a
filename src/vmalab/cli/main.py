# SPDX-License-Identifier: GPL-2.0-or-later
"""The `vmalab` command: runs a verb, turns errors into messages."""

import gc
import os
import sys
from typing import Final

import click

from vmalab import COMPILED, MUTANT, __version__
from vmalab.cli.failures import is_defect, leave, report
from vmalab.cli.verbs import Verbs
from vmalab.views.output import open_standard_streams, say

# Containers made before the collector looks for cycles. Nearly nothing here is in one, and with the
# interpreter's few hundred a large address space would be looked through again and again.
NEW_OBJECTS: Final = 100_000


def _version() -> str:
    engine = "compiled" if COMPILED else "interpreted"
    if MUTANT:
        engine += f", with the bug {MUTANT}"
    return f"vmalab {__version__} (engine: {engine}, Python {sys.version.split()[0]})"


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        say(_version())
        ctx.exit()


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Print the version, and whether the engine is compiled.",
)
def vmalab() -> None:
    """Understand, test and debug how Linux lays out a process's memory."""


def main() -> None:
    """The entry point: runs a verb; the exit status is its own, or says what went wrong.

    0 and 1 belong to the verb; 2: the input or the command line cannot be used, the output cannot
    be written, memory is short, or vmalab itself is wrong; 130: interrupted. A reader that goes
    away, as with `| head`, ends this program by SIGPIPE, as it does any other.
    """
    gc.set_threshold(NEW_OBJECTS)
    open_standard_streams()
    try:
        status = vmalab.main(prog_name="vmalab", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("VMALAB_TRACEBACK") and is_defect(error):
            raise
        status = report(error)
    leave(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
