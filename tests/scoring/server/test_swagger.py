from __future__ import annotations

import inspect
from typing import Any

import pytest
from scoring_server.swagger import with_defaults

TEXT = {"type": "string"}


UNSENDABLE = object()


def run(
    described: str, needed: Any, number: Any = 2, unsendable: Any = UNSENDABLE, missing: Any = float("nan")
) -> None:
    """A script's function with one argument that is decorated."""


PARAMETERS = list(inspect.signature(run).parameters.values())


@pytest.mark.parametrize(
    ("properties", "example", "expected"),
    [
        ({"described": TEXT}, {"described": ""}, {"described": ""}),
        ({"needed": {}}, {"needed": ""}, {"needed": ""}),
        ({"number": {}}, {"number": ""}, {"number": 2}),
        ({"number": TEXT}, {"number": "a"}, {"number": "a"}),
        ({"unsendable": {}}, {"unsendable": ""}, {}),
        ({"missing": {}, "described": TEXT}, {"missing": "", "described": "a"}, {"described": "a"}),
    ],
)
def test_the_example_can_be_sent(properties: dict[str, Any], example: dict[str, Any], expected: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": properties, "example": example}
    given = repr(schema)
    assert with_defaults(schema, PARAMETERS) == {**schema, "example": expected}
    assert repr(schema) == given, "it is inference-schema's"


def test_headers_are_no_part_of_a_body() -> None:
    schema = {"properties": {"a": TEXT, "request_headers": {}}, "example": {"a": "", "request_headers": ""}}
    assert with_defaults(schema, PARAMETERS) == {"properties": {"a": TEXT}, "example": {"a": ""}}


@pytest.mark.parametrize("schema", [{}, {"type": "array", "example": [1]}, {"properties": {"number": {}}}])
def test_without_an_example_there_is_nothing_to_mend(schema: dict[str, Any]) -> None:
    assert with_defaults(schema, PARAMETERS) == schema
