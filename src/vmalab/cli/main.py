# SPDX-License-Identifier: GPL-2.0-or-later
"""The `vmalab` command: finds the verb, loads its module alone, turns errors into messages."""

import gc
import importlib
import os
import sys
from typing import Final

import click

from vmalab import COMPILED, MUTANT, __version__
from vmalab.cli.failures import is_defect, leave, report
from vmalab.views.output import open_standard_streams, say

# Verb -> the module that has a click command of that name, and what the overview says.
VERBS: Final = {
    "mutants": ("vmalab.cli.mutants", "Put historic kernel bugs back; see which test notices."),
    "record": ("vmalab.cli.record", "Record the memory calls of a program as it runs."),
    "snapshot": ("vmalab.cli.snapshot", "Record a running process as it is at one moment."),
    "replay": ("vmalab.cli.replay", "Replay recordings and compare every result and map."),
    "check": ("vmalab.cli.check", "Check the model against real kernels, live or in QEMU."),
    "diff-kernels": ("vmalab.cli.diff_kernels", "Show where kernel versions part, and why."),
    "enomem": ("vmalab.cli.enomem", "Explain why calls failed, and what is left of each limit."),
    "why": ("vmalab.cli.why", "Show what keeps VMAs apart, and what each cause costs."),
    "blame": ("vmalab.cli.blame", "Show which call made each VMA, and what made the most."),
    "whatif": ("vmalab.cli.whatif", "Run a recording with changes, and compare."),
    "convert": ("vmalab.cli.convert", "Keep the log of a recording as Parquet or Arrow columns."),
    "bench": ("vmalab.cli.bench", "Measure the model against this machine's kernel."),
    "test": ("vmalab.cli.test", "Run the unit tests of the VMA core."),
}

# Containers made before the collector looks for cycles. Nearly nothing here is in one, and with the
# interpreter's few hundred a large address space would be looked through again and again.
NEW_OBJECTS: Final = 100_000


class Verbs(click.Group):
    """The verbs of `VERBS`; a verb's module is imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a verb, None for an unknown one."""
        entry = VERBS.get(cmd_name)
        if entry is None:
            return None
        command = getattr(importlib.import_module(entry[0]), cmd_name.replace("-", "_"))
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, without importing any verb."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, about) for verb, (_, about) in VERBS.items()])


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
    """The core of Linux's memory map in userland."""


def main() -> None:
    """The entry point: runs a verb; the exit status is its own, or says what went wrong.

    0 and 1 belong to the verb; 2: the input or the command line cannot be used, the output cannot
    be written, memory is short, or vmalab itself is wrong; 130: interrupted. A reader that goes
    away, as with `| head`, ends this program by SIGPIPE, as it does any other.
    """
    gc.set_threshold(NEW_OBJECTS)
    open_standard_streams()
    try:
        status = vmalab.main(standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("VMALAB_TRACEBACK") and is_defect(error):
            raise
        status = report(error)
    leave(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
