# SPDX-License-Identifier: GPL-2.0-or-later
"""What the seam between the VMA core and the rest of the kernel is, read from the syntax trees.

`python -m vmalab.testing.seams.seam_surface` prints the manual's page on the seam.  Nothing is
imported or run for it: what counts is what the source says.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MM: Final = Path(__file__).parents[2] / "linux" / "mm"
SEAM_MODULE: Final = "vmalab.linux.mm.vma_internal"
# What a module of the core may import besides the seam: its siblings, and what says types.
SIBLINGS: Final = ("vmalab.linux.mm.vma.", "vmalab.linux.mm.vma_init", "vmalab.linux.mm.vma_exec")
ALWAYS: Final = ("typing", "mypy_extensions")
KINDS: Final = ("Custom", "Same", "Stub")
# Methods for those who call the core: they begin and end what it takes for granted.
FOR_CALLERS: Final = ("mmap_write_lock", "mmap_write_unlock")
# Methods in which assertions end; the core makes them through others.
FOR_ASSERTIONS: Final = ("warn_on", "bug_on")
# A reason is a sentence, not a word.
REASON_WORDS: Final = 4


@dataclass(frozen=True, slots=True)
class Hook:
    """One method of the seam: its kind, what it says of itself, and who uses it."""

    name: str
    kind: str
    text: str
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Surface:
    """The seam and its users: everything that the test and the manual's page need.

    hooks: methods in their order; attributes, offered: attributes of the class and names of the
    module's `__all__`, each with its users; unknown: what users ask the seam for in vain, as
    "module: name"; imports: what users import and must not, likewise.
    """

    hooks: tuple[Hook, ...]
    attributes: dict[str, tuple[str, ...]]
    offered: dict[str, tuple[str, ...]]
    unknown: tuple[str, ...]
    imports: tuple[str, ...]

    def complaints(self) -> list[str]:
        """Every way in which the seam and its users do not fit, a sentence each."""
        found = [f"{place}: the seam does not offer this" for place in self.unknown]
        found += [f"{place}: the core imports the seam and itself only" for place in self.imports]
        found += [f"{name}: nobody uses this name" for name, by in self.offered.items() if not by]
        for hook in self.hooks:
            if not hook.users and hook.name not in FOR_CALLERS + FOR_ASSERTIONS:
                found.append(f"{hook.name}: nobody uses this method")
            if hook.kind not in KINDS:
                found.append(f"{hook.name}: the docstring does not begin with Custom, Same or Stub")
            elif hook.kind == "Stub" and len(hook.text.split()) < REASON_WORDS:
                found.append(f"{hook.name}: a stub says why it may do nothing")
        return found

    def page(self) -> str:
        """The manual's page on the seam."""
        lines = [PAGE_HEAD]
        for kind in KINDS:
            lines += ["", f"## {kind}", "", MEANING[kind], "", "| Hook | What it does | Used by |"]
            lines += ["| --- | --- | --- |"]
            for hook in self.hooks:
                if hook.kind == kind:
                    callers = ", ".join(hook.users) or outside(hook.name)
                    lines.append(f"| `{hook.name}` | {hook.text} | {callers} |")
        lines += ["", "## Attributes", "", "What every instance carries besides its hooks.", ""]
        for name, users in self.attributes.items():
            lines.append(f"- `{name}`" + (f": {', '.join(users)}" if users else ""))
        lines += [
            "",
            "## Types and constants",
            "",
            "Names that the core takes from the module.",
            "",
        ]
        lines.append(", ".join(f"`{name}`" for name in self.offered) + ".")
        return "\n".join(lines) + "\n"


def outside(name: str) -> str:
    """Who uses a method that the core does not."""
    if name in FOR_ASSERTIONS:
        return "mm/debug.py"
    return "its callers"


PAGE_HEAD: Final = """# The seam of the VMA core

`src/vmalab/linux/mm/vma_internal.py` is everything that the VMA core knows of the rest of the
kernel, and the only thing it imports. What does something is a method of the class
`vmalab.linux.mm.vma_internal.VmaInternal`, of which every mm holds an instance: a test, or a user's
own experiment, replaces behaviour by subclassing it.

This page is written by `python -m vmalab.testing.seams.seam_surface`. A test fails when it is not
up to date, when the seam offers what nobody of the core uses, or when the core uses what it
lacks."""

MEANING: Final = {
    "Custom": "Works differently from the kernel, on purpose: it counts, can fail, or can check.",
    "Same": "Does what the kernel does.",
    "Stub": "Does nothing here, for the reason that stands beside it.",
}


def core_modules(mm: Path = MM) -> list[Path]:
    """The modules of the core: those of vma/ and the two beside it."""
    return [*sorted((mm / "vma").glob("*.py")), mm / "vma_init.py", mm / "vma_exec.py"]


def read_surface(mm: Path = MM) -> Surface:
    """Read the seam and its users below a directory that is laid out like mm/."""
    seam = ast.parse((mm / "vma_internal.py").read_text("utf-8"))
    users = {path.stem: ast.parse(path.read_text("utf-8")) for path in core_modules(mm)}
    methods, attributes = members(seam)
    asked: dict[str, set[str]] = {}
    taken: dict[str, set[str]] = {}
    unknown: list[str] = []
    imports: list[str] = []
    offered = exported(seam)
    for module, tree in users.items():
        for name in seam_attributes(tree):
            asked.setdefault(name, set()).add(module)
            if name not in methods and name not in attributes:
                unknown.append(f"{module}: {name}")
        for source, name in imported(tree):
            if source == SEAM_MODULE:
                taken.setdefault(name, set()).add(module)
                unknown += [f"{module}: {name}"] if name not in offered else []
            elif source not in ALWAYS and not source.startswith(SIBLINGS):
                imports.append(f"{module}: {source}")
    return Surface(
        tuple(hook(name, text, asked) for name, text in methods.items()),
        {name: by(asked, name) for name in attributes},
        {name: by(taken, name) for name in offered},
        tuple(unknown),
        tuple(imports),
    )


def by(uses: dict[str, set[str]], name: str) -> tuple[str, ...]:
    """Who uses a name, sorted."""
    return tuple(sorted(uses.get(name, ())))


def hook(name: str, text: str, asked: dict[str, set[str]]) -> Hook:
    """A method by its docstring's first word."""
    kind, colon, rest = text.partition(":")
    if not colon:
        kind, rest = "", text
    return Hook(name, kind.strip(), " ".join(rest.split()), by(asked, name))


def members(seam: ast.Module) -> tuple[dict[str, str], list[str]]:
    """The methods of the seam's class with their docstrings, and its attributes."""
    cls = next(
        node for node in seam.body if isinstance(node, ast.ClassDef) and node.name == "VmaInternal"
    )
    methods: dict[str, str] = {}
    attributes: list[str] = []
    for node in cls.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        if node.name == "__init__":
            attributes += own_attributes(node)
        else:
            methods[node.name] = ast.get_docstring(node) or ""
    return methods, attributes


def own_attributes(init: ast.FunctionDef) -> Iterator[str]:
    """The attributes that a constructor assigns."""
    for node in ast.walk(init):
        if isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                    yield target.attr


def exported(seam: ast.Module) -> list[str]:
    """The names of the module's `__all__`."""
    for node in seam.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple | ast.List):
            if any(isinstance(one, ast.Name) and one.id == "__all__" for one in node.targets):
                values = [one.value for one in node.value.elts if isinstance(one, ast.Constant)]
                return [value for value in values if isinstance(value, str)]
    return []


def seam_attributes(tree: ast.AST) -> Iterator[str]:
    """What a module asks a seam for: x of `seam.x`, `mm.seam.x`, `vma.vm_mm.seam.x`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            value = node.value
            if (isinstance(value, ast.Name) and value.id == "seam") or (
                isinstance(value, ast.Attribute) and value.attr == "seam"
            ):
                yield node.attr


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """What a module imports: (module, name), with "" for a module as a whole."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or ".", alias.name) for alias in node.names)


if __name__ == "__main__":
    print(read_surface().page(), end="")
