# SPDX-License-Identifier: GPL-2.0-or-later
"""Schemas of answers: made from classes and their docstrings, good JSON schemas, told by verbs."""

import json
from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

import click
import jsonschema
import pytest
from click.testing import CliRunner

from vmalab.cli.main import vmalab as cli
from vmalab.cli.verbs import VERBS
from vmalab.views.answers.answer import ANSWERS, answer_json, json_text
from vmalab.views.answers.schema import object_schema, read_docstring, schema_of


@dataclass(frozen=True)
class Part:
    """A part. size: bytes."""

    size: int


class Whole(TypedDict):
    """A whole. first, second: its parts; second: the smaller one. kind: what it is."""

    first: Part
    second: Part | None
    kind: Literal["a", "b"]
    pair: tuple[int, str]
    rest: dict[str, list[float]]
    more: NotRequired[frozenset[str]]


def test_schema_of_a_form_has_types_meanings_and_what_is_needed() -> None:
    known: dict[str, dict[str, object]] = {}
    found = object_schema(Whole, known)
    assert known["Part"]["properties"] == {"size": {"type": "integer", "description": "bytes."}}
    assert found["description"] == "A whole."
    assert found["required"] == ["first", "second", "kind", "pair", "rest"]
    assert found["properties"] == {
        "first": {"$ref": "#/$defs/Part", "description": "its parts"},
        "second": {
            "anyOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}],
            "description": "the smaller one.",
        },
        "kind": {"enum": ["a", "b"], "description": "what it is."},
        "pair": {
            "type": "array",
            "prefixItems": [{"type": "integer"}, {"type": "string"}],
            "items": False,
            "minItems": 2,
        },
        "rest": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "number"}},
        },
        "more": {"type": "array", "items": {"type": "string"}},
    }


def test_a_word_that_is_no_field_names_none() -> None:
    about, meanings = read_docstring("What is said: much. a: one thing: this.", ["a", "said"])
    assert about == "What is said: much."
    assert meanings == {"a": "one thing: this."}


@pytest.mark.parametrize("verb", ANSWERS)
def test_schemas_are_good_and_verbs_print_them(verb: str) -> None:
    schema = schema_of(verb)
    jsonschema.Draft202012Validator.check_schema(schema)
    told = CliRunner().invoke(cli, [verb, "--json-schema"])
    assert told.exit_code == 0
    assert json.loads(told.output) == json.loads(json_text(schema))
    assert all("description" in form for form in schema.get("anyOf", [schema]))  # type: ignore[attr-defined]


def test_every_verb_with_json_has_a_schema_and_no_other() -> None:
    context = click.Context(cli)
    with_json = {
        name
        for name in VERBS
        if (command := cli.get_command(context, name)) is not None
        and any("--json" in option.opts for option in command.params)
    }
    assert with_json == set(ANSWERS)


def test_an_answer_begins_with_its_schema_and_version() -> None:
    line = answer_json("doctor", {"abilities": [Part(3)]})
    assert line == '{"schema":"doctor","version":1,"abilities":[{"size":3}]}'


def test_what_no_answer_holds_is_refused() -> None:
    with pytest.raises(TypeError, match="complex is not for JSON"):
        json_text({"a": 1j})
