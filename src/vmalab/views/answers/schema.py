# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON schema (2020-12) of a verb's answer, made from the classes that the answer is built of.

What a field means is taken from its class's docstring, in which the house style has it as
`name: meaning.` or `name, name: meaning.`
"""

import re
import types
import typing
from dataclasses import fields, is_dataclass
from typing import Final

from vmalab.views.answers.answer import ANSWERS, forms_of

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: Final[dict[object, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
Schema = dict[str, object]


def schema_of(verb: str) -> Schema:
    """Return the schema of what `vmalab VERB --json` prints a line."""
    version, _ = ANSWERS[verb]
    known: dict[str, Schema] = {}
    head: dict[str, Schema] = {"schema": {"const": verb}, "version": {"const": version}}
    forms = [object_schema(form, known, head) for form in forms_of(verb)]
    schema: Schema = {"$schema": DIALECT, "title": f"vmalab {verb} --json"}
    schema |= forms[0] if len(forms) == 1 else {"anyOf": forms}
    if known:
        schema["$defs"] = {name: known[name] for name in sorted(known)}
    return schema


def object_schema(
    form: type, known: dict[str, Schema], head: dict[str, Schema] | None = None
) -> Schema:
    """Return the schema of a TypedDict or a dataclass."""
    hints = typing.get_type_hints(form)
    if is_dataclass(form):
        names = [part.name for part in fields(form)]
        needed = names
    else:
        names = list(hints)
        needed = [name for name in names if name in form.__required_keys__]  # type: ignore[attr-defined]
    about, meanings = read_docstring(form.__doc__ or "", names)
    properties: dict[str, Schema] = dict(head or {})
    for name in names:
        properties[name] = _schema(hints[name], known)
        if name in meanings:
            properties[name] = {**properties[name], "description": meanings[name]}
    return {
        "type": "object",
        "description": about,
        "properties": properties,
        "required": [*(head or {}), *needed],
    }


def _schema(hint: object, known: dict[str, Schema]) -> Schema:
    """Return the schema of a type; `known` gets those of the classes in it."""
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if hint is object:
        return {}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_schema(part, known) for part in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], known)}
    if origin is tuple and arguments[1:] != (...,):
        parts = [_schema(part, known) for part in arguments]
        return {"type": "array", "prefixItems": parts, "items": False, "minItems": len(parts)}
    if origin in (list, tuple, frozenset):
        return {"type": "array", "items": _schema(arguments[0], known)}
    assert isinstance(hint, type), hint
    if hint.__name__ not in known:
        known[hint.__name__] = {}
        known[hint.__name__] = object_schema(hint, known)
    return {"$ref": f"#/$defs/{hint.__name__}"}


def read_docstring(text: str, names: list[str]) -> tuple[str, dict[str, str]]:
    """Return what a class's docstring says of it, and what it says of each field by name."""
    plain = " ".join(text.split())
    listed = rf"(?:{'|'.join(map(re.escape, names))})"
    parts = re.split(rf"(?:^|(?<=[.;:] ))({listed}(?:, {listed})*): ", plain)
    meanings = {}
    for of, meaning in zip(parts[1::2], parts[2::2], strict=True):
        for name in of.split(", "):
            meanings[name] = meaning.strip().rstrip(";")
    return parts[0].strip(), meanings
