"""Requests that are no HTTP, or unusual HTTP, or HTTP that a proxy might read otherwise."""

from __future__ import annotations

import json

import pytest

from .cases.case import NOT_ALLOWED
from .conftest import Start
from .process import Server, read_all
from .wire import CHUNKED, END, HEAD, LAST, LAST_CHUNKED, NOT_HTTP, assert_serves, status

WRONG = {
    "garbage": b"\x00\x01\x02\x03\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /" + END,
    "version 0.9": b"GET / HTTP/0.9" + END,
    "version 1.2": b"GET / HTTP/1.2\r\nHost: x" + END,
    "target without a slash": b"GET score HTTP/1.1\r\nHost: x" + END,
    "target beyond ASCII": "GET /sc\u00f6re HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "space in the target": b"GET /score a HTTP/1.1\r\nHost: x" + END,
    "tabs in the first line": b"GET\t/\tHTTP/1.1\r\nHost: x" + END,
    # headers
    "space before colon": HEAD + b"X : 1" + END,
    "space before the first header": b"GET / HTTP/1.1\r\n X: 1\r\nHost: x" + END,
    "no name": HEAD + b": 1" + END,
    "no colon": HEAD + b"X" + END,
    "name beyond ASCII": HEAD + "X-\u00c4: 1\r\n\r\n".encode(),
    "control character": HEAD + b"X: a\x00b" + END,
    "folded header": HEAD + b"X: a\r\n b" + END,
    "bare line feed": b"GET / HTTP/1.1\nHost: x\n\n",
    "bare line feed in a header": HEAD + b"X: a\n b\nY" + END,
    "bare carriage return": HEAD + b"X: a\rY: 1" + END,
    "line end with two carriage returns": HEAD + b"X: a\r\r\n\r\n",
    "two hosts": HEAD + b"Host: y" + END,
    "bad host": b"GET / HTTP/1.1\r\nHost: \x7f" + END,
    "line feed in an id": HEAD + b"x-request-id: a\nSet-Cookie: b" + END,
    "carriage return in an id": HEAD + b"x-request-id: a\rSet-Cookie: b" + END,
    # where the body ends: what a proxy in front might see otherwise
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n1",
    "the same length twice": HEAD + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n1",
    "list of lengths": HEAD + b"Content-Length: 1, 1\r\n\r\n1",
    "length and chunks": HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
    "negative length": HEAD + b"Content-Length: -1" + END,
    "signed length": HEAD + b"Content-Length: +1\r\n\r\n1",
    "hexadecimal length": HEAD + b"Content-Length: 0x1\r\n\r\n1",
    "length with an underscore": HEAD + b"Content-Length: 1_0\r\n\r\n1234567890",
    "empty length": HEAD + b"Content-Length:" + END,
    "no number": HEAD + b"Content-Length: abc" + END,
    "huge number": HEAD + b"Content-Length: 99999999999999999999999" + END,
    "other coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding identity": HEAD + b"Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\n1",
    "coding before chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding after chunked": HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding with a vertical tab": HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding with a space before colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "folded coding": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    # hosts
    "host with blanks": b"GET / HTTP/1.1\r\nHost: a b" + END,
    "host with markup": b"GET / HTTP/1.1\r\nHost: <script>" + END,
    "host with a path": b"GET / HTTP/1.1\r\nHost: a/b" + END,
    "host with a user": b"GET / HTTP/1.1\r\nHost: a@b" + END,
    "port that is no number": b"GET / HTTP/1.1\r\nHost: a:b" + END,
    # chunks
    "chunks in 1.0": b"POST /score HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n7\r\n0\r\n\r\n",
    # chunks
    "chunk size that is no number": CHUNKED + b"zz\r\n",
    "chunk size with 0x": CHUNKED + b"0x1\r\n7\r\n0\r\n\r\n",
    "chunk size with a sign": CHUNKED + b"+1\r\n7\r\n0\r\n\r\n",
    "chunk size with a space": CHUNKED + b"1 \r\n7\r\n0\r\n\r\n",
    "empty chunk size": CHUNKED + b"\r\n7\r\n0\r\n\r\n",
    "chunk size beyond 64 bits": CHUNKED + b"10000000000000001\r\n7\r\n0\r\n\r\n",
    "chunk size ended by a line feed": CHUNKED + b"1\n7\r\n0\r\n\r\n",
    "chunk extension ended by a line feed": CHUNKED + b"1;a\n7\r\n0\r\n\r\n",
    "chunk ended by a line feed": CHUNKED + b"1\r\n7\n0\r\n\r\n",
    "chunk longer than said": CHUNKED + b"1\r\nab\r\n0\r\n\r\n",
    "chunk shorter than said": CHUNKED + b"2\r\n7\r\n0\r\n\r\n",
    "length as a trailer": CHUNKED + b"1\r\n7\r\n0\r\nContent-Length: 50\r\n\r\n",
    "endless chunk extension": CHUNKED + b"1;" + b"a" * 900_000,
    "endless chunk size": CHUNKED + b"0" * 900_000,
    "endless trailers": CHUNKED + b"1\r\n7\r\n0\r\n" + b"X: 1\r\n" * 200_000,
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_what_is_not_http_gets_400(plain: Server, data: bytes) -> None:
    """What follows on the connection is not taken for a request."""
    answer = plain.raw(data + LAST + b'Content-Length: 9\r\n\r\n"smuggled')
    assert answer.count(b"HTTP/1.1 ") == 1
    assert status(answer) == 400
    assert b"x-request-id: " in answer
    assert b"Connection: close" in answer
    assert b"Set-Cookie" not in answer
    assert json.loads(answer.partition(END)[2]) == {"message": NOT_HTTP}
    assert_serves(plain)


UNUSUAL = {
    "no host": (b"GET / HTTP/1.1" + END, 200, b"Healthy"),
    "address of version 6": (b"GET / HTTP/1.1\r\nHost: [::1]:80" + END, 200, b"Healthy"),
    "address with a zone": (b"GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]" + END, 200, b"Healthy"),
    "host and a blank": (b"GET / HTTP/1.1\r\nHost: a_b.example:80 \t" + END, 200, b"Healthy"),
    "host in UTF-8": ("GET / HTTP/1.1\r\nHost: m\u00f6del".encode() + END, 200, b"Healthy"),
    "empty host": (b"GET / HTTP/1.1\r\nHost:" + END, 200, b"Healthy"),
    "any host": (b"GET / HTTP/1.1\r\nHost: evil.example:80" + END, 200, b"Healthy"),
    "empty lines before": (b"\r\n\r\nGET / HTTP/1.1\r\nHost: x" + END, 200, b"Healthy"),
    "whole URL": (b"GET http://x/ HTTP/1.1\r\nHost: x" + END, 200, b"Healthy"),
    "whole URL without a path": (b"GET HTTP://x HTTP/1.1\r\nHost: x" + END, 200, b"Healthy"),
    "whole URL with a query alone": (b"GET http://x?a=1 HTTP/1.1\r\nHost: x" + END, 200, b"Healthy"),
    "URL with a user": (b"GET http://a@x/ HTTP/1.1\r\nHost: x" + END, 404, b'again."}'),
    "URL of another kind": (b"GET ftp://x/ HTTP/1.1\r\nHost: x" + END, 404, b'again."}'),
    "address alone": (b"CONNECT x:80 HTTP/1.1\r\nHost: x" + END, 404, b'again."}'),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\nHost: x" + END, 404, b'again."}'),
    "length with spaces": (HEAD + b"Content-Length:  01 \r\n\r\n7", 200, b"7"),
    "no length": (HEAD + b"\r\n", 200, b'""'),
    "body of a GET": (b"GET /score?a=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n???", 200, b'{"a": 1}'),
    "coding in capitals": (HEAD + b"Transfer-Encoding:\tCHUNKED\r\n\r\n1\r\n7\r\n0\r\n\r\n", 200, b"7"),
    "known method": (b"PROPFIND /score HTTP/1.1\r\nHost: x" + END, 405, b'URL."}'),
    "escaped line end in an id": (b"GET / HTTP/1.1\r\nx-request-id: a%0d%0aSet-Cookie:b" + END, 200, b"Healthy"),
    "escaped line end in the path": (b"GET /%0d%0aSet-Cookie:b HTTP/1.1" + END, 404, b'again."}'),
}


@pytest.mark.parametrize(("data", "expected", "ending"), UNUSUAL.values(), ids=UNUSUAL)
def test_what_is_unusual_is_answered(plain: Server, data: bytes, expected: int, ending: bytes) -> None:
    """And so is the next request of the connection."""
    with plain.connect() as connection:
        connection.sendall(data)
        answer = connection.recv(65536)
        assert status(answer) == expected
        assert answer.endswith(ending)
        assert b"\nSet-Cookie" not in answer
        connection.sendall(LAST + b'Content-Length: 4\r\n\r\n"me"')
        assert read_all(connection).endswith(b'"me"')


@pytest.mark.parametrize("method", [b"FOO", b"post", b"X-Y"])
def test_an_unknown_method_gets_405(plain: Server, method: bytes) -> None:
    answer = plain.raw(method + b" /score HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n7")
    assert status(answer) == 405
    assert json.loads(answer.partition(END)[2]) == {"message": NOT_ALLOWED}


def test_a_whole_url_names_the_host(serving: Start) -> None:
    request = b"GET http://a.example:81/score?do=url HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"
    seen = json.loads(serving("raw").raw(request).partition(END)[2])
    assert (seen["url"], seen["path"]) == ("http://a.example:81/score?do=url", "/score")


def test_trailers_are_no_headers_of_the_next_request(serving: Start) -> None:
    server = serving("headers")
    chunks = HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n7\r\n0\r\nX-Smuggled: 1\r\nx-request-id: 1\r\n\r\n"
    answers = server.raw(chunks + LAST + b"Content-Length: 1\r\n\r\n7")
    assert answers.count(b"HTTP/1.1 200") == 2
    assert b"smuggled" not in answers.lower()
    assert b"x-request-id: 1\r\n" not in answers


def test_many_small_chunks_are_no_framing_attack(plain: Server) -> None:
    body = b'"' + b"x" * 50_000 + b'"'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    assert plain.raw(LAST_CHUNKED + chunks + b"0\r\n\r\n").endswith(body)
