# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions and files stay within the house's sizes; each exception stands here with its reason.

Lines are counted as the syntax tree has them: a function from its `def` to its last line, with
docstring and comments.
"""

import ast
from pathlib import Path

FUNCTION_CAP = 80
FILE_CAP = 400
FILE_CAP_MM = 600

# path -> (lines allowed, why)
LONG_FILES: dict[str, tuple[int, str]] = {
    "src/vmalab/linux/lib/maple_tree.py": (
        710,
        "one class, the cursor, whose steps and stores share its state",
    ),
    "src/vmalab/testing/cases/operations.py": (
        420,
        "one function an operation and the table of them, looked up by name",
    ),
    "tests/linux/lib/test_maple_model.py": (
        470,
        "the slow model and both ways to drive it, which test files cannot import from each other",
    ),
}
# "path:qualified.name" -> (lines allowed, why)
LONG_FUNCTIONS: dict[str, tuple[int, str]] = {}


def functions(tree: ast.AST, prefix: str = "") -> list[tuple[str, int]]:
    """Name and length in lines of each function below `tree`, inner ones included."""
    found = []
    for node in ast.iter_child_nodes(tree):
        name = prefix
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{node.name}."
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            found.append((prefix + node.name, node.end_lineno - node.lineno + 1))
        found += functions(node, name)
    return found


def length(path: Path) -> int:
    """Lines of a file."""
    return len(path.read_text("utf-8").splitlines())


def cap_of(path: str) -> int:
    """Lines that a file may have without an entry in the table."""
    return FILE_CAP_MM if "linux/mm/" in path else FILE_CAP


def test_file_is_not_too_long(root: Path, source_file: Path) -> None:
    path = source_file.as_posix()
    assert length(root / path) <= LONG_FILES.get(path, (cap_of(path), ""))[0]


def test_no_function_is_too_long(root: Path, source_file: Path) -> None:
    found = functions(ast.parse((root / source_file).read_text("utf-8")))
    too_long = {
        name: lines
        for name, lines in found
        if lines > LONG_FUNCTIONS.get(f"{source_file.as_posix()}:{name}", (FUNCTION_CAP, ""))[0]
    }
    assert too_long == {}


def test_most_functions_are_short(root: Path, sources: list[str]) -> None:
    lengths = sorted(
        lines
        for name in sources
        if name.startswith("src/")
        for _, lines in functions(ast.parse((root / name).read_text("utf-8")))
    )
    assert lengths[len(lengths) // 2] <= 15
    assert lengths[len(lengths) * 9 // 10] <= 45


def test_exceptions_for_files_are_needed(root: Path) -> None:
    for path, (allowed, why) in LONG_FILES.items():
        assert cap_of(path) < length(root / path) <= allowed, f"{path}: not needed: take it out"
        assert len(why.split()) >= 5, f"{path}: a reason is a sentence"


def test_exceptions_for_functions_are_needed(root: Path) -> None:
    for key, (allowed, why) in LONG_FUNCTIONS.items():
        path, _, name = key.partition(":")
        lengths = dict(functions(ast.parse((root / path).read_text("utf-8"))))
        assert FUNCTION_CAP < lengths[name] <= allowed, f"{key}: not needed: take it out"
        assert len(why.split()) >= 5, f"{key}: a reason is a sentence"
