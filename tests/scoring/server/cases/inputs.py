"""What a plain run() gets, and requests that cannot become an input."""

from __future__ import annotations

from .case import FAILED, INTERNAL, NOT_FAILED, RUN_FAILED, Case, Differs, message, post

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
NOT_UTF8 = "Input cannot be decoded as UTF-8: 'utf-8' codec can't decode byte 0xff in position 1: invalid start byte"

CASES = [
    post("JSON in, JSON out", {"data": [[1, 2.5], [3, None]]}, 200, {"data": [[1, 2.5], [3, None]]}),
    Case("text that is no JSON", ("POST", "/score"), 200, "<xml/>", send="<xml/>"),
    Case("no content type", ("POST", "/score"), 200, [1], send="[1]"),
    Case("empty body", ("POST", "/score"), 200, "", send=""),
    Case("beyond ASCII", ("POST", "/score"), 200, "\u00e4\U0001f600", send='"\u00e4\U0001f600"'.encode()),
    Case("a byte order mark", ("POST", "/score"), 200, "\ufeff1", send=b"\xef\xbb\xbf1"),
    Case("a query on a POST is no input", ("POST", "/score?a=1"), 200, [2], send="[2]"),
    Case("not UTF-8", ("POST", "/score"), 400, message(NOT_UTF8), send=b"a\xffb", headers=NOT_FAILED),
    Case(
        "form type",
        ("POST", "/score"),
        200,
        {"a": 1},
        send='{"a": 1}',
        with_headers=FORM,
        differs=Differs("curl -d sends this type unless told otherwise, and run() would get an empty text", 200, ""),
    ),
    Case(
        "multipart type",
        ("POST", "/score"),
        200,
        [1],
        send="[1]",
        with_headers=MULTIPART,
        differs=Differs("as with forms", 200, ""),
    ),
    Case(
        "query",
        ("GET", "/score?a=1&b=[2]&c=x&d=null&e=1&e=y&f="),
        200,
        {"a": 1, "b": [2], "c": "x", "d": None, "e": [1, "y"], "f": ""},
    ),
    Case(
        "escaped query", ("GET", "/score?a=%7B%22b%22%3A+1%7D&%C3%A4=%C3%A9"), 200, {"a": {"b": 1}, "\u00e4": "\u00e9"}
    ),
    Case("no query", ("GET", "/score"), 200, {}),
    Case("query without a value", ("GET", "/score?a&b=1"), 200, {"a": "", "b": 1}),
    Case("keys are told apart by case", ("GET", "/score?a=1&A=2"), 200, {"a": 1, "A": 2}),
    post("run() raises", {"do": "raise"}, 500, message(RUN_FAILED), headers=FAILED, log=("ValueError: secret detail",)),
    post(
        "run() exits",
        {"do": "exit"},
        500,
        message(RUN_FAILED),
        headers={**FAILED, "content-type": "application/json"},
        differs=Differs("an HTML page is no answer to a JSON request", 500, headers={"content-type": "text/html"}),
    ),
    post("a result that JSON cannot have", {"do": "value", "expression": "{1}"}, 500, message(INTERNAL)),
]
