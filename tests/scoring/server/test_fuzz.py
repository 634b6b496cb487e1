"""Whatever comes in: no 5xx that is not the script's, no hang, no growth, and the next request is served."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st

from .conftest import Start
from .fuzzing import Tried, bounded, cases
from .process import Answer, Server, Together
from .wire import HEAD, LAST, answers

CONTRACT = {200, 400, 404, 405, 408, 413, 414, 415, 417, 431}


def judge(answer: Answer, *, head: bool = False, no_id: bool = False) -> None:
    """Every answer is the contract's, or the script's own failure; each has an id, and errors a message.

    The latter shows unless the answer is to a HEAD request. One with an empty id may be answered without any.
    """
    failed = answer.header("x-ms-run-function-failed")
    assert answer.status in CONTRACT or (answer.status == 500 and failed == "True"), answer
    if answer.status != 431 and not no_id:
        assert answer.header("x-request-id")
    if answer.status >= 400 and not head:
        assert set(answer.json()) == {"message"}
        assert "Traceback" not in answer.message


@pytest.mark.parametrize("script", ["plain", "schema", "nested", "raw", "batched"])
def test_what_its_own_description_allows(serving: Start, script: str, tried: Tried) -> None:
    server = serving(script)
    description = schemathesis.openapi.from_dict(server.request("GET", "/swagger.json?version=3").json())

    def health() -> None:
        server.request("GET", "/")

    with bounded(server, health):
        for found in description.get_all_operations():
            operation = found.ok()

            @cases(50)
            @given(case=operation.as_strategy())
            def run(case: Any) -> None:
                tried.count += 1
                response = case.call(base_url=f"http://127.0.0.1:{server.port}", timeout=30)
                headers = [(name.lower(), value) for name, values in response.headers.items() for value in values]
                judge(Answer(response.status_code, headers, response.content))

            run()


FRAGMENTS = [
    *(b"GET ", b"POST ", b"HEAD ", b"OPTIONS ", b"FOO ", b"/", b"/score", b"/swagger.json?version=", b"http://x/score"),
    *(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b":", b" ", b"\t", b"\x00", b";"),
    *(b"Host: x\r\n", b"Content-Length: 3\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"Connection: close\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"Expect: 100-continue\r\n"),
    *(b"x-request-id: a\r\n", b"0\r\n\r\n", b"3\r\nabc\r\n", b"3;x=y\r\nabc\r\n", b"abc", HEAD, LAST),
]
REQUESTS = [
    LAST + b"Content-Length: 7\r\n\r\n" + b'{"n":1}',  # which every script takes
    LAST + b"Transfer-Encoding: chunked\r\n\r\n3\r\n" + b'{"n\r\n4;a=b\r\n":1}' + b"\r\n0\r\nX: y\r\n\r\n",
    b"GET /score?a=1&b=%5B2%5D HTTP/1.1\r\nHost: x\r\nx-request-id: abc\r\n\r\n" + LAST + b"\r\n",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good request with some bytes replaced, taken away or put in."""
    data = draw(st.sampled_from(REQUESTS))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        data = data[:start] + draw(st.binary(max_size=3) | st.sampled_from(FRAGMENTS)) + data[end:]
    return data


EMPTY_ID = re.compile(rb"^x-request-id:[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
WIRE = mutated() | st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=20), max_size=12).map(b"".join)


@pytest.mark.parametrize(("script", "count"), [("plain", 1500), ("raw", 500), ("batched", 500)])
def test_any_bytes(serving: Start, script: str, count: int, tried: Tried) -> None:
    server = serving(script)
    seen: Counter[int] = Counter()

    @cases(count)
    @given(WIRE, st.integers(0, 60))
    def run(data: bytes, cut: int) -> None:
        tried.count += 1
        with server.connect() as connection:
            connection.sendall(data[:cut])
        heads = b"HEAD " in data
        no_id = EMPTY_ID.search(data) is not None
        for answer in answers(server.raw(data, leave=True), heads=heads):
            seen[answer.status] += 1
            if answer.status != 100:
                judge(answer, head=heads and not answer.body, no_id=no_id)
        if tried.count % 20 == 0:
            assert server.score({"n": 1}).status == 200

    with bounded(server, lambda: server.score({"n": 1})):
        run()
    assert seen[200] > count / 15, "few were requests"
    assert seen[400] > count / 15, "few were none"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5)
)


def has_no_json(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(has_no_json(item) for item in value.values())
    return isinstance(value, list) and any(has_no_json(item) for item in value)


def is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_any_json_comes_back_as_it_was(plain: Server, tried: Tried) -> None:
    @cases(500)
    @given(VALUES.filter(lambda value: not (isinstance(value, dict) and "do" in value)), st.booleans())
    def run(value: Any, ascii_only: bool) -> None:
        tried.count += 1
        body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        answer = plain.request("POST", "/score", body, {"Content-Type": "application/json"})
        judge(answer)
        if not is_utf8(body):
            assert answer.status == 400
            assert answer.message.startswith("Input cannot be decoded as UTF-8")
        elif has_no_json(value):
            assert answer.status == 500
        else:
            assert answer.json() == ({} if value is None else value)

    with bounded(plain, lambda: plain.score([1])):
        run()


BODIES = st.binary(max_size=200) | st.text(st.sampled_from('[]{}",:0123456789eE+-.\\u nulltrefasNI'), max_size=60).map(
    str.encode
)


def test_any_body(plain: Server, tried: Tried) -> None:
    @cases(300)
    @given(BODIES)
    def run(body: bytes) -> None:
        tried.count += 1
        judge(plain.request("POST", "/score", body))

    with bounded(plain, lambda: plain.score([1])):
        run()


PARTS = [
    *(b"--b\r\n", b"--b--\r\n", b"--b", b"\r\n", b"\r\n\r\n", b"a=b&", b"%", b"&", b"=", b"content"),
    *(b'Content-Disposition: form-data; name="f"', b'; filename="x.txt"', b"; filename*=UTF-8''%ff", b"\r\nX: y"),
]
TYPES = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain", "x"]


def test_any_request_to_a_raw_script(serving: Start, tried: Tried) -> None:
    """What is a form, or says that it is one, is for the script to take apart."""
    server = serving("raw")
    seen: Counter[tuple[str, int]] = Counter()

    @cases(500)
    @given(
        st.sampled_from(["POST", "GET", "HEAD", "OPTIONS"]),
        st.sampled_from(["", "body", "binary", "form", "none", "ids", "override"]),
        st.sampled_from(TYPES),
        BODIES | st.lists(st.sampled_from(PARTS), max_size=12).map(b"".join),
    )
    def run(method: str, action: str, media_type: str, body: bytes) -> None:
        tried.count += 1
        answer = server.request(method, f"/score?do={action}", body, {"Content-Type": media_type})
        judge(answer, head=method == "HEAD")
        seen[action, answer.status] += 1
        if action == "binary":
            assert answer.body == (b"" if method == "HEAD" else body[::-1])

    with bounded(server, lambda: server.request("POST", "/score?do=form", b"a=b", {"Content-Type": TYPES[1]})):
        run()
    assert seen["binary", 200] > 10
    assert seen["form", 200] > 10


def test_any_bodies_in_a_batch(serving: Start, tried: Tried) -> None:
    """Whatever comes with it, a good one gets its own result."""
    server = serving("batched")
    good = st.integers(0, 2**70)
    failing = st.sampled_from(["raise", "exit", "return an error"]).map(
        lambda action: json.dumps({"do": action}).encode()
    )
    sizes: Counter[int] = Counter()

    with Together(server, 5) as together:

        @cases(150)
        @given(st.lists(good | BODIES | failing, min_size=2, max_size=5))
        def run(items: list[int | bytes]) -> None:
            tried.count += 1
            values = [item if isinstance(item, bytes) else {"n": item} for item in items]
            for item, coming in zip(items, together.post(values), strict=True):
                answer = coming.result()
                judge(answer)
                if isinstance(item, int):
                    assert answer.json()["n"] == item
                    sizes[answer.json()["of"]] += 1

        with bounded(server, lambda: [coming.result() for coming in together.post([{"n": 1}] * 5)]):
            run()
    assert sizes.total() - sizes[1] > 20, "few were together"


def test_any_query_and_ids(plain: Server, tried: Tried) -> None:
    header = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=110)

    @cases(500)
    @given(st.text(st.characters(codec="utf-8"), max_size=40), st.booleans(), header, header)
    def run(query: str, as_value: bool, request_id: str, trace: str) -> None:
        tried.count += 1
        headers = {"x-request-id": request_id.strip() or "x", "TraceId": trace.strip() or "y"}
        target = "/score?" + (f"a={quote(query)}" if as_value else quote(query, safe="=&;+%[]{}"))
        answer = plain.request("GET", target, None, headers)
        if answer.status != 400:
            assert answer.header("x-request-id") in (headers["x-request-id"], None)
        judge(answer)

    with bounded(plain, lambda: plain.request("GET", "/score?a=1")):
        run()
