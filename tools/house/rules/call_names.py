# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of a system call stands in the table of calls: nothing else lists calls.

A list is a literal with three or more names of calls, when they are most of its strings: a tuple, a
list, a set, the keys or the values of a dictionary, or a string that is split. A dictionary from
names to `sys_*` functions is a dispatch table, and no list.
"""

import ast
import re
from collections.abc import Iterator, Sequence

from house.finding import Finding
from house.tree import Tree

PACKAGE = "src/vmalab/"
NUMBERS = "src/vmalab/linux/include/uapi/unistd.py"
NUMBER = re.compile(r"^NR_(\w+)", re.MULTILINE)
FEWEST = 3
WHAT = "know calls by their rows in calls/table.py"

# Files, and folders with a slash at the end, whose lists are something else: why.
ALLOWED = {
    "src/vmalab/calls/table.py": "the table",
    "src/vmalab/conformance/kit/": "copied to others: it runs without vmalab",
    "src/vmalab/recording/tracer/abi32.py": "the numbers that calls have for 32-bit programs",
    "src/vmalab/testing/sweep/": "the manual's rows, and arguments to try, for each call",
}


def check(tree: Tree) -> Iterator[Finding]:
    """Yield each list of calls that has no reason to stand where it does."""
    names = set(NUMBER.findall(tree.text(NUMBERS)))
    used = set()
    for name in tree.sources(PACKAGE):
        found = list(lists(tree.parsed(name), names))
        place = next((place for place in ALLOWED if name == place or name.startswith(place)), "")
        if place and found:
            used.add(place)
        elif not place:
            for line, calls in found:
                yield Finding(name, line, f"a list of calls ({', '.join(calls[:FEWEST])}): {WHAT}")
    for place in ALLOWED.keys() - used:
        if tree.exists(place):
            yield Finding(place, 1, "has no list of calls: take it out of the rule's exceptions")


def lists(parsed: ast.AST, names: set[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the line of each list of calls, and the calls."""
    for node in ast.walk(parsed):
        for strings in literals(node):
            found = [text for text in strings if is_call(text, names)]
            if len(found) >= FEWEST and 2 * len(found) > len(strings):
                yield getattr(node, "lineno", 1), found


def is_call(text: str, names: set[str]) -> bool:
    """Whether it is the name of a call, for 64-bit programs or for others (old_mmap, fcntl64)."""
    return text in names or text.removeprefix("old_").rstrip("0123456789") in names


def literals(node: ast.AST) -> list[list[str]]:
    """Return the strings of a literal; of a dictionary, those of its keys and of its values."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return [constants(node.elts)]
    if isinstance(node, ast.Dict) and not is_dispatch(node):
        return [constants(node.keys), constants(node.values)]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        texts = constants([node.func.value]) if node.func.attr == "split" else []
        return [text.split() for text in texts]
    return []


def is_dispatch(node: ast.Dict) -> bool:
    """Whether a dictionary leads to the functions that carry calls out."""
    return all(isinstance(one, ast.Name) and one.id.startswith("sys_") for one in node.values)


def constants(nodes: Sequence[ast.expr | None]) -> list[str]:
    """Return the strings among some expressions."""
    values = [one.value for one in nodes if isinstance(one, ast.Constant)]
    return [value for value in values if isinstance(value, str)]
