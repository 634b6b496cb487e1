"""The user's schema file: the schemas of input and output, plain or as Azure ML wrote them, samples as examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scoring_server.swagger import SCHEMA_FILE

from .process import app_root, running

ARRAY = {"type": "array", "items": {"type": "number"}}


@pytest.mark.parametrize(
    ("given", "schema"),
    [
        (ARRAY, ARRAY),
        ({"internal": "x", "swagger": ARRAY}, ARRAY),
        (
            {"data": {"type": 1, "swagger": ARRAY}, "n": {"swagger": {"type": "integer"}}},
            {"type": "object", "properties": {"data": ARRAY, "n": {"type": "integer"}}},
        ),
    ],
)
def test_a_given_schema_describes_the_input(tmp_path: Path, given: dict[str, Any], schema: dict[str, Any]) -> None:
    root = app_root(tmp_path, "plain.py", "sibling.py")
    (root / SCHEMA_FILE).write_text(json.dumps({"input": given}))
    (root / "sample_input.json").write_text("[1]")
    with running(root, "plain.py") as server:
        definitions = server.request("GET", "/swagger.json").json()["definitions"]
        assert definitions["ServiceInput"] == {"example": [1], **schema}
        assert definitions["ServiceOutput"] == {"type": "object", "example": {}}
        schemas = server.request("GET", "/swagger.json?version=3").json()["components"]["schemas"]
        assert schemas["ServiceInput"] == definitions["ServiceInput"]
