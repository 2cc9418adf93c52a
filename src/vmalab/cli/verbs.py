# SPDX-License-Identifier: GPL-2.0-or-later
"""The verbs of the `vmalab` command by purpose; what each is for is known without loading it."""

import importlib
from typing import Final, NamedTuple

import click


class Verb(NamedTuple):
    """A verb: its module in `vmalab.cli`, what the overview says, and how it is used."""

    module: str
    about: str
    example: str


PURPOSES: Final[dict[str, dict[str, Verb]]] = {
    "Understand a process or a recording": {
        "why": Verb("why", "Show what keeps VMAs apart, and what each cause costs.", "why $$"),
        "blame": Verb(
            "blame", "Show which call made each VMA, and what made the most.", "blame --by site run"
        ),
        "explore": Verb(
            "explore", "Travel through a recording, call by call, on the terminal.", "explore run"
        ),
        "enomem": Verb(
            "enomem", "Explain why calls failed, and what is left of each limit.", "enomem run"
        ),
        "diff": Verb(
            "diff", "Show what has more VMAs in one recording than in another.", "diff before after"
        ),
        "whatif": Verb(
            "whatif",
            "Run a recording with changes, and compare.",
            "whatif --set vm.max_map_count=262144 run",
        ),
        "explain": Verb(
            "explain", "Draw a small log step by step, with the conditions.", "explain prog.strace"
        ),
        "fleet": Verb(
            "fleet",
            "Report on thousands of recordings: limits, causes, what-ifs.",
            "fleet report --html fleet.html recordings",
        ),
        "place": Verb(
            "place", "Show where mmap would put a mapping, and why there.", "place $$ 2M"
        ),
    },
    "Watch": {
        "top": Verb(
            "top", "Show which processes come near their limits, live.", "top --once --warn 80"
        ),
    },
    "Record": {
        "record": Verb(
            "record",
            "Record the memory calls of a program as it runs.",
            "record -k -o run -- ./program",
        ),
        "snapshot": Verb(
            "snapshot", "Record a running process as it is at one moment.", "snapshot -o now 1234"
        ),
        "convert": Verb(
            "convert",
            "Keep a log as columns; write Perfetto, speedscope, CSV files.",
            "convert run cols",
        ),
    },
    "Compare with kernels": {
        "replay": Verb(
            "replay", "Replay recordings and compare every result and map.", "replay run"
        ),
        "diff-kernels": Verb(
            "diff_kernels",
            "Show where kernel versions part, and why.",
            "diff-kernels --kernels 6.1,6.18 run",
        ),
        "check": Verb(
            "check",
            "Check the model against real kernels, live or in QEMU.",
            "check --target live --calls 10000",
        ),
        "conformance": Verb(
            "conformance",
            "Export calls with Linux's answers, to test emulators by.",
            "conformance export --kernel 6.18 kit",
        ),
    },
    "Test the VMA core": {
        "test": Verb("test", "Run the unit tests of the VMA core.", "test"),
        "mutants": Verb(
            "mutants", "Put historic kernel bugs back; see which test notices.", "mutants"
        ),
        "bench": Verb("bench", "Measure the model against this machine's kernel.", "bench dense"),
    },
    "This installation": {
        "doctor": Verb("doctor", "Tell what works here, and how to get the rest.", "doctor"),
        "completion": Verb(
            "completion",
            "Print what makes a shell complete commands.",
            'eval "$(vmalab completion bash)"',
        ),
    },
}
VERBS: Final[dict[str, Verb]] = {
    name: verb for verbs in PURPOSES.values() for name, verb in verbs.items()
}
# Words for which there is another one here.
_SYNONYMS: Final = {
    "run": "record",
    "trace": "record",
    "fuzz": "check",
    "what-if": "whatif",
    "version": "--version",
    "help": "--help",
}


class Verbs(click.Group):
    """The verbs of `VERBS`; a verb's module is imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a verb, None for an unknown one."""
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        module = importlib.import_module(f"vmalab.cli.{verb.module}")
        command = getattr(module, cmd_name.replace("-", "_"))
        if not isinstance(command, click.Command):
            return None
        if command.epilog is None:
            command.epilog = f"Example: {example_of(verb)}"
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb. Errors: click.UsageError, which names verbs that are like it."""
        word = args[0]
        if word in VERBS or word.startswith("-"):
            return super().resolve_command(ctx, args)
        # Few command lines are wrong.
        from difflib import get_close_matches

        like = [_SYNONYMS[word]] if word in _SYNONYMS else get_close_matches(word, VERBS)
        advice = f" Did you mean {' or '.join(like)}?" if like else ""
        raise click.UsageError(f"No such command {word[:40]!r}.{advice}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview, without importing any verb."""
        for purpose, verbs in PURPOSES.items():
            with formatter.section(purpose):
                formatter.write_dl([(name, verb.about) for name, verb in verbs.items()])
        with formatter.section("Examples"):
            for name in _SHOWN:
                formatter.write_text(example_of(VERBS[name]))


# Verbs whose examples the overview shows.
_SHOWN: Final = ("why", "record", "blame", "enomem", "whatif")


def example_of(verb: Verb) -> str:
    """Return a command line that uses a verb."""
    return verb.example if verb.example.startswith("eval") else f"vmalab {verb.example}"
