"""Scripts with the decorators of `inference-schema`: arguments from a JSON object or a query."""

from __future__ import annotations

import codecs
import json
from typing import Any

from .case import FAILED, INTERNAL, JSON, NOT_FAILED, RUN_FAILED, Case, Differs, message

TABLE = [{"a": 1, "b": "x"}]
GOOD = {"num": 1, "data": [[1.0, 2.0]], "table": TABLE, "extra": "ignored"}
GOOD_ANSWER = {"num": 1, "shape": [1, 2], "columns": ["a", "b"], "sum": 6.0}
UTF_8_ALONE = "a body is UTF-8, for every kind of script; other encodings would be guessed, and the wrong one be taken"
NO_OBJECT = "POST body should be a JSON dictionary."


def schema(name: str, body: Any, status: int, answer: Any, headers: dict[str, str] = JSON, **more: Any) -> Case:
    """A POST to the script with schemas; text and bytes are sent as they are."""
    sent = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return Case(name, ("POST", "/score"), status, answer, sent, headers, app="schema", **more)


def undecodable(why: str) -> dict[str, str]:
    return message(f"POST body could not be decoded as JSON: {why}")


CASES = [
    schema("arguments", GOOD, 200, GOOD_ANSWER),
    schema("default overridden", {**GOOD, "factor": 3}, 200, {**GOOD_ANSWER, "sum": 9.0}),
    schema("any +json type", GOOD, 200, GOOD_ANSWER, {"Content-Type": "application/x+json; charset=utf-8"}),
    schema(
        "wrong type", GOOD, 415, message("Expects Content-Type to be application/json"), {"Content-Type": "text/plain"}
    ),
    schema("no type", GOOD, 415, message("Expects Content-Type to be application/json"), {}),
    schema("no body", "", 400, message("POST body is empty. Expecting a JSON dictionary.")),
    schema("a list", [1], 400, message(NO_OBJECT)),
    schema("a text", '"x"', 400, message(NO_OBJECT)),
    schema("null", "null", 400, message(NO_OBJECT)),
    schema(
        "no JSON", "{", 400, undecodable("Expecting property name enclosed in double quotes: line 1 column 2 (char 1)")
    ),
    schema("more than JSON", "{} {}", 400, undecodable("Extra data: line 1 column 4 (char 3)")),
    schema("a byte order mark before an object", b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), 200, GOOD_ANSWER),
    schema(
        "an object that is not UTF-8",
        b'{"num": "\xff"}',
        400,
        message(
            "Input cannot be decoded as UTF-8: 'utf-8' codec can't decode byte 0xff in position 9: invalid start byte"
        ),
        differs=Differs("the caller's mistake, which the caller has to hear of", 500, message(INTERNAL)),
    ),
    schema(
        "an object in UTF-16",
        json.dumps(GOOD).encode("utf-16-le"),
        400,
        undecodable("Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        differs=Differs(UTF_8_ALONE, 200, GOOD_ANSWER),
    ),
    schema(
        "an object in UTF-16 with a mark",
        codecs.BOM_UTF16_LE + json.dumps(GOOD).encode("utf-16-le"),
        400,
        message(
            "Input cannot be decoded as UTF-8: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"
        ),
        differs=Differs(UTF_8_ALONE, 200, GOOD_ANSWER),
    ),
    schema(
        "an object in UTF-32",
        json.dumps(GOOD).encode("utf-32-be"),
        400,
        undecodable("Expecting value: line 1 column 1 (char 0)"),
        differs=Differs(UTF_8_ALONE, 200, GOOD_ANSWER),
    ),
    schema("a value is missing", {"data": [[1]]}, 400, message("A value is not provided for the 'num' parameter.")),
    schema("a value of the wrong kind", {**GOOD, "num": "x"}, 500, message(RUN_FAILED)),
    Case(
        "schema by query",
        ("GET", "/score?num=1&data=[[1,2]]&table=[{%22a%22:1,%22b%22:%22x%22}]"),
        200,
        GOOD_ANSWER,
        app="schema",
    ),
    Case(
        "a value is missing in the query",
        ("GET", "/score?num=1&table=[]"),
        400,
        message("A value is not provided for the 'data' parameter."),
        headers=NOT_FAILED,
        app="schema",
    ),
    Case("schema by OPTIONS", ("OPTIONS", "/score"), 200, b"", app="schema"),
    Case("schema by HEAD", ("HEAD", "/score"), 405, b"", app="schema"),
    Case(
        "nested types",
        ("POST", "/score"),
        200,
        {"image": "ndarray", "rows": "DataFrame", "names": ["x", "y"], "deep": "ndarray"},
        json.dumps(
            {"inputs": {"image": [[3, 4]], "rows": [{"a": 2.5}], "names": ["x", "y"], "deep": {"again": [1.5]}}}
        ),
        JSON,
        app="nested",
    ),
    Case(
        "nested types of the wrong kind",
        ("POST", "/score"),
        500,
        message(RUN_FAILED),
        json.dumps({"inputs": 1}),
        JSON,
        headers=FAILED,
        app="nested",
    ),
]
