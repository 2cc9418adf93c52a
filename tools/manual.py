# SPDX-License-Identifier: GPL-2.0-or-later
"""What the manual's site has beside docs/: pages made from the program, and files that pages name.

mkdocs calls the functions whose names begin with `on_`. A link from a page to a file outside of
docs/ leads to a copy of that file below source/ in the site.
"""

import inspect
import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from commands import commands
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<!!)(\[[^\]]*\])\(([^)\s#]+)(#[^)\s]*)?\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# The sections of the navigation, by the folders of docs/.
SECTIONS = {
    "tutorial": "Tutorial",
    "howto": "How-to guides",
    "reference": "Reference",
    "explanation": "Explanation",
}
# Pages of the project that the site's overview names.
PROJECT = ("CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/README.md")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put pages that the navigation does not name at the end of their folder's section."""
    named = set(pages_of(config.nav))
    sections = {
        name: part for item in config.nav if isinstance(item, dict) for name, part in item.items()
    }
    for path in sorted((ROOT / "docs").rglob("*.md")):
        place = path.relative_to(ROOT / "docs").as_posix()
        if place not in named:
            sections[SECTIONS[place.partition("/")[0]]].append(place)
    return config


def pages_of(nav: Any) -> Iterator[str]:
    """Yield the pages of a navigation."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from pages_of(part)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and copies of the files outside of docs/ that pages name."""
    made = {
        "reference/commands.md": commands_page(),
        "reference/api.md": api_page(),
        "reference/json.md": json_page(),
    }
    for path in sorted((ROOT / "docs").rglob("*.ipynb")):
        place = path.relative_to(ROOT / "docs").with_suffix(".md").as_posix()
        made[place] = notebook_page(json.loads(path.read_text("utf-8")))
    for place, text in made.items():
        files.append(File.generated(config, place, content=text))
    named = set(PROJECT)
    for path in sorted((ROOT / "docs").rglob("*.md")):
        place = path.relative_to(ROOT / "docs").as_posix()
        named |= set(outside(place, path.read_text("utf-8")))
    for name in sorted(named):
        path = ROOT / name
        files.append(File.generated(config, f"source/{name}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links that leave docs/ to the copies, and those of the copies back into the site."""
    return rewritten(page.file.src_uri, markdown, set(files.src_uris))


def outside(place: str, text: str) -> Iterator[str]:
    """Yield the files outside of docs/ that a page names, as paths from the top."""
    for match in LINK.finditer(FENCE.sub("", text)):
        target = target_of(place, match[2])
        if target and not target.startswith("docs/") and (ROOT / target).is_file():
            yield target


def target_of(place: str, link: str) -> str:
    """Return what a relative link of a page names, as a path from the top; "" for the web's."""
    if re.match(r"[a-z]+:", link):
        return ""
    source = place.removeprefix("source/") if place.startswith("source/") else f"docs/{place}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), link))


def rewritten(place: str, text: str, known: set[str]) -> str:
    """Return a page whose links name files of the site; one that names none becomes plain text."""

    def replace(match: re.Match[str]) -> str:
        target = target_of(place, match[2])
        if not target:
            return match[0]
        if target.endswith(".ipynb"):
            target = target.removesuffix(".ipynb") + ".md"
        inside = target.removeprefix("docs/") if target.startswith("docs/") else f"source/{target}"
        if inside not in known:
            return match[1][1:-1]
        link = posixpath.relpath(inside, posixpath.dirname(place) or ".")
        return f"{match[1]}({link}{match[3] or ''})"

    parts = re.split(r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else LINK.sub(replace, part) for part in parts)


def commands_page() -> str:
    """Return the page of all commands with all their options."""
    lines = ["# Commands", "", "What `vmalab VERB --help` prints of each verb, in one place.", ""]
    purpose = ""
    for command in commands():
        if command.purpose != purpose:
            purpose = command.purpose
            lines += [f"## {purpose}", ""]
        lines += [f"### vmalab {command.name}", ""]
        lines += ["```text", f"vmalab {command.name} {command.usage}", "```", ""]
        for paragraph in command.paragraphs:
            lines += [prose(paragraph), ""]
        lines += ["| option | meaning |", "| --- | --- |"]
        for spelling, meaning in command.options:
            lines.append(f"| `{spelling.replace('|', chr(92) + '|')}` | {prose(meaning)} |")
        lines += ["", "Example:", "", "```text", command.example, "```", ""]
    return "\n".join(lines)


def prose(text: str) -> str:
    """Return text that Markdown shows as it is."""
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", text)


def api_page() -> str:
    """Return the page of the library's names, from their docstrings."""
    import vmalab

    lines = ["# The library's names", "", "What `import vmalab` gives, from its docstrings.", ""]
    for name in vmalab.__all__:
        value = getattr(vmalab, name)
        if inspect.isclass(value):
            lines += class_lines(name, value)
    return "\n".join(lines)


def class_lines(name: str, value: type) -> Iterator[str]:
    """Yield a class, and its public methods and properties."""
    yield f"## {name}"
    yield ""
    yield from docstring(value)
    for member, what in vars(value).items():
        if member.startswith("_") and member != "__init__":
            continue
        function = what.__func__ if isinstance(what, classmethod | staticmethod) else what
        if isinstance(function, property):
            yield from (f"### {name}.{member}", "")
            yield from docstring(function)
        elif inspect.isfunction(function) and (member != "__init__" or function.__doc__):
            shown = name if member == "__init__" else f"{name}.{member}"
            yield from (f"### {shown}()", "")
            yield from ("```python", f"{shown}{signature(function)}", "```", "")
            yield from docstring(function)


def signature(function: Any) -> str:
    """Return the arguments as one writes them, without self."""
    found = inspect.signature(function)
    parameters = [each for each in found.parameters.values() if each.name not in ("self", "cls")]
    return str(found.replace(parameters=parameters)).replace("'", "")


def docstring(value: object) -> Iterator[str]:
    """Yield the paragraphs of a docstring."""
    text = inspect.getdoc(value) or ""
    for paragraph in text.split("\n\n"):
        yield prose(" ".join(paragraph.split()))
        yield ""


def notebook_page(notebook: dict[str, Any]) -> str:
    """Return a notebook with its outputs as a page: pictures and tables as they are."""
    lines = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            lines += [text, ""]
            continue
        lines += ["```python", text, "```", ""]
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "text/html" in data:
                lines += ["<div markdown='0'>", "".join(data["text/html"]), "</div>", ""]
                continue
            told = "".join(output.get("text", data.get("text/plain", [])))
            lines += ["```text", told.rstrip(), "```", ""]
    return "\n".join(lines)


def json_page() -> str:
    """Return the page of what `--json` prints, verb by verb."""
    from vmalab.views.answers.answer import ANSWERS
    from vmalab.views.answers.schema import schema_of

    lines = ["# Answers in JSON", ""]
    lines.append("What [`--json`](output.md#json) prints, field by field; each object begins with ")
    lines += ["`schema` (the verb) and `version`. `--json-schema` prints the same as a schema.", ""]
    for verb in ANSWERS:
        schema: Any = schema_of(verb)
        lines += [f"## {verb}", ""]
        for form in schema.get("anyOf", [schema]):
            lines += object_lines(form)
        for name, form in schema.get("$defs", {}).items():
            lines += [f"### {verb}: {name}", ""]
            lines += object_lines(form)
    return "\n".join(lines)


def object_lines(form: dict[str, Any]) -> Iterator[str]:
    """Yield what an object is and a table of its fields."""
    yield prose(form["description"])
    yield ""
    yield "| field | type | meaning |"
    yield "| --- | --- | --- |"
    for name, part in form["properties"].items():
        if "const" not in part:
            optional = "" if name in form["required"] else " (may be missing)"
            meaning = prose(part.get("description", ""))
            yield f"| `{name}` | {prose(type_text(part))}{optional} | {meaning} |"
    yield ""


def type_text(part: dict[str, Any]) -> str:
    """Return a type in words."""
    if "$ref" in part:
        return str(part["$ref"].rpartition("/")[2])
    if "anyOf" in part:
        return " or ".join(type_text(each) for each in part["anyOf"])
    if "enum" in part:
        return " or ".join(f'"{each}"' for each in part["enum"])
    if "prefixItems" in part:
        return f"[{', '.join(type_text(each) for each in part['prefixItems'])}]"
    if part.get("type") == "array":
        return f"array of {type_text(part['items'])}"
    if part.get("type") == "object":
        return f"object: name to {type_text(part['additionalProperties'])}"
    return str(part.get("type", "any value"))
