# SPDX-License-Identifier: GPL-2.0-or-later
"""What the seam between the VMA core and the rest of the kernel is, read from the syntax trees.

`python -m vmalab.testing.seams.seam_surface` prints the manual's page on the seam.  Nothing is
imported or run for it: what counts is what the source says.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

MM: Final = Path(__file__).parents[2] / "linux" / "mm"
# The core's own types besides those that its modules define: it calls their methods and writes to
# their fields. All else is the rest of the kernel's.
OWN_TYPES: Final = {
    "types/mm_types.py": ("Mm", "Vma"),
    "types/vma_iterator.py": ("Vmi",),
    "lib/maple_tree.py": ("Mas",),
}
# Methods of lists and texts.
CONTAINERS: Final = ("append", "join", "rstrip")
# More hooks than this are no seam any more.
MAX_HOOKS: Final = 30
SEAM_MODULE: Final = "vmalab.linux.mm.vma_internal"
# What a module of the core may import besides the seam: its siblings, and what says types.
SIBLINGS: Final = ("vmalab.linux.mm.vma.", "vmalab.linux.mm.vma_init", "vmalab.linux.mm.vma_exec")
ALWAYS: Final = ("typing", "mypy_extensions")
KINDS: Final = ("Custom", "Same", "Stub")
# Hooks for those who call the core: they begin and end what it takes for granted.
FOR_CALLERS: Final = ("mmap_write_lock", "mmap_write_unlock")
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
    "module: name"; imports: what users import and must not, likewise; strays: methods they call and
    fields they write that are not the core's own types', likewise.
    """

    hooks: tuple[Hook, ...]
    attributes: dict[str, tuple[str, ...]]
    offered: dict[str, tuple[str, ...]]
    unknown: tuple[str, ...]
    imports: tuple[str, ...]
    strays: tuple[str, ...]

    def complaints(self) -> list[str]:
        """Return every way in which the seam and its users do not fit, a sentence each."""
        found = [f"{place}: the seam does not offer this" for place in self.unknown]
        found += [f"{place}: the core imports the seam and itself only" for place in self.imports]
        found += [f"{place}: walks past the seam" for place in self.strays]
        if len(self.hooks) > MAX_HOOKS:
            found.append(f"{len(self.hooks)} hooks are more than {MAX_HOOKS}")
        found += [f"{name}: nobody uses this name" for name, by in self.offered.items() if not by]
        for hook in self.hooks:
            if not hook.users and hook.name not in FOR_CALLERS:
                found.append(f"{hook.name}: nobody uses this hook")
            if hook.kind not in KINDS:
                found.append(f"{hook.name}: the docstring does not begin with Custom, Same or Stub")
            elif hook.kind == "Stub" and len(hook.text.split()) < REASON_WORDS:
                found.append(f"{hook.name}: a stub says why it may do nothing")
        return found

    def page(self) -> str:
        """Return the manual's page on the seam."""
        lines = [PAGE_HEAD]
        for kind in KINDS:
            lines += ["", f"## {kind}", "", MEANING[kind], "", "| Hook | What it does | Used by |"]
            lines += ["| --- | --- | --- |"]
            for hook in self.hooks:
                if hook.kind == kind:
                    callers = ", ".join(hook.users) or "its callers"
                    lines.append(f"| `{hook.name}` | {hook.text} | {callers} |")
        lines += ["", "## Attributes", "", "What every instance carries besides its hooks.", ""]
        for name, users in self.attributes.items():
            lines.append(f"- `{name}`" + (f": {', '.join(users)}" if users else ""))
        lines += ["", "## Functions", "", FUNCTIONS, "", "| Function | Used by |", "| --- | --- |"]
        functions = [name for name in self.offered if is_function(name)]
        lines += [f"| `{name}` | {', '.join(self.offered[name])} |" for name in functions]
        lines += ["", "## Types and constants", "", "The other names that the core takes.", ""]
        rest = [name for name in self.offered if name not in functions]
        lines.append(", ".join(f"`{name}`" for name in rest) + ".")
        return "\n".join(lines) + "\n"


def is_function(name: str) -> bool:
    """Tell a function from a type or a constant, by how it is written."""
    return name == name.lower() or name.startswith("VM_WARN_ON")


PAGE_HEAD: Final = """# The seam of the VMA core

`src/vmalab/linux/mm/vma_internal.py` is everything that the VMA core knows of the rest of the
kernel, and the only thing it imports. What a test may want to vary or to watch is a hook: a method
of the class `vmalab.linux.mm.vma_internal.VmaInternal`, of which every mm holds an instance
(`vmalab.linux.types.seam.Seam` declares them). A test, or a user's own experiment, replaces hooks
by subclassing it. All else are plain functions of the engine.

This page is written by `python -m vmalab.testing.seams.seam_surface`. A test fails when it is not
up to date, when the seam offers what nobody of the core uses, when the core uses what it lacks, or
when the core calls methods or writes fields of objects that are not its own."""

FUNCTIONS: Final = "What the core calls of the rest of the kernel, and nothing replaces."

MEANING: Final = {
    "Custom": "Works differently from the kernel, on purpose: it counts, can fail, or can check.",
    "Same": "Does what the kernel does.",
    "Stub": "Does nothing here, for the reason that stands beside it.",
}


def core_modules(mm: Path = MM) -> list[Path]:
    """Return the modules of the core: those of vma/ and the two beside it."""
    return [*sorted((mm / "vma").glob("*.py")), mm / "vma_init.py", mm / "vma_exec.py"]


@lru_cache(maxsize=64)
def tree_of(text: str) -> ast.Module:
    """Return the syntax tree of a text; the same one for the same text."""
    return ast.parse(text)


@lru_cache(maxsize=64)
def nodes_of(text: str) -> tuple[ast.AST, ...]:
    """Return all nodes of a text's tree; the same ones for the same text."""
    return tuple(ast.walk(tree_of(text)))


def read_surface(mm: Path = MM) -> Surface:
    """Read the seam and its users below a directory that is laid out like mm/."""
    seam = tree_of((mm / "vma_internal.py").read_text("utf-8"))
    users = {path.stem: path.read_text("utf-8") for path in core_modules(mm)}
    methods = methods_of(class_of(seam, "VmaInternal"))
    attributes = [
        name
        for node in declared().body
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
        for name in own_attributes(node)
    ]
    asked: dict[str, set[str]] = {}
    taken: dict[str, set[str]] = {}
    unknown: list[str] = []
    imports: list[str] = []
    strays: list[str] = []
    offered = exported(seam)
    own_methods, own_fields = own_types([tree_of(text) for text in users.values()])
    for module, text in users.items():
        nodes = nodes_of(text)
        for name in seam_attributes(nodes):
            asked.setdefault(name, set()).add(module)
            if name not in methods and name not in attributes:
                unknown.append(f"{module}: {name}")
        strays += [f"{module}: {name}()" for name in called(nodes) if name not in own_methods]
        strays += [f"{module}: .{name} =" for name in written(nodes) if name not in own_fields]
        for source, name in imported(nodes):
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
        tuple(strays),
    )


def own_types(core: list[ast.Module]) -> tuple[set[str], set[str]]:
    """Return the methods and the fields of the core's own types."""
    classes: list[ast.ClassDef] = []
    for file, names in OWN_TYPES.items():
        tree = tree_of((MM.parent / file).read_text("utf-8"))
        found = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        classes += [node for node in found if node.name in names]
    classes += [node for tree in core for node in tree.body if isinstance(node, ast.ClassDef)]
    methods: set[str] = set(CONTAINERS)
    fields: set[str] = set()
    for cls in classes:
        for node in cls.body:
            if isinstance(node, ast.FunctionDef):
                methods.add(node.name)
                fields.update(own_attributes(node) if node.name == "__init__" else ())
    return methods, fields


def is_seam(node: ast.expr) -> bool:
    """Tell whether an expression is a seam: `seam`, `mm.seam`, `vma.vm_mm.seam`."""
    if isinstance(node, ast.Attribute):
        return node.attr == "seam"
    return isinstance(node, ast.Name) and node.id == "seam"


def called(nodes: tuple[ast.AST, ...]) -> Iterator[str]:
    """Yield the methods that a module calls, but for the seam's."""
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if not is_seam(node.func.value):
                yield node.func.attr


def written(nodes: tuple[ast.AST, ...]) -> Iterator[str]:
    """Yield the fields that a module writes."""
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            yield node.attr


def by(uses: dict[str, set[str]], name: str) -> tuple[str, ...]:
    """Return who uses a name, sorted."""
    return tuple(sorted(uses.get(name, ())))


def hook(name: str, text: str, asked: dict[str, set[str]]) -> Hook:
    """Return a method by its docstring's first word."""
    kind, colon, rest = text.partition(":")
    if not colon:
        kind, rest = "", text
    return Hook(name, kind.strip(), " ".join(rest.split()), by(asked, name))


def class_of(module: ast.Module, name: str) -> ast.ClassDef:
    """Return a class of a module by its name."""
    classes = (node for node in module.body if isinstance(node, ast.ClassDef))
    return next(node for node in classes if node.name == name)


def methods_of(cls: ast.ClassDef) -> dict[str, str]:
    """Return the methods of a class with their docstrings, but for the constructor."""
    functions = [node for node in cls.body if isinstance(node, ast.FunctionDef)]
    return {
        node.name: ast.get_docstring(node) or "" for node in functions if node.name != "__init__"
    }


def declared() -> ast.ClassDef:
    """Return the class that declares the hooks, and has what every seam carries besides."""
    return class_of(tree_of((MM.parent / "types" / "seam.py").read_text("utf-8")), "Seam")


def own_attributes(init: ast.FunctionDef) -> Iterator[str]:
    """Yield the attributes that a constructor assigns."""
    for node in ast.walk(init):
        if isinstance(node, ast.AnnAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                    yield target.attr


def exported(seam: ast.Module) -> list[str]:
    """Return the names of the module's `__all__`."""
    for node in seam.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple | ast.List):
            if any(isinstance(one, ast.Name) and one.id == "__all__" for one in node.targets):
                values = [one.value for one in node.value.elts if isinstance(one, ast.Constant)]
                return [value for value in values if isinstance(value, str)]
    return []


def seam_attributes(nodes: tuple[ast.AST, ...]) -> Iterator[str]:
    """Yield what a module asks a seam for: x of `seam.x`, `mm.seam.x`, `vma.vm_mm.seam.x`."""
    for node in nodes:
        if isinstance(node, ast.Attribute) and is_seam(node.value):
            yield node.attr


def imported(nodes: tuple[ast.AST, ...]) -> Iterator[tuple[str, str]]:
    """Yield what a module imports: (module, name), with "" for a module as a whole."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or ".", alias.name) for alias in node.names)


if __name__ == "__main__":
    print(read_surface().page(), end="")
