from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scoring_server.inputs import RequestMeta, header_dict, wsgi_environ

TEXT = st.text(st.characters(max_codepoint=255), max_size=20)
BYTES = st.binary(max_size=20)


@given(
    st.builds(
        RequestMeta,
        TEXT,
        TEXT,
        TEXT,
        st.lists(st.tuples(BYTES, BYTES), max_size=5),
        st.tuples(TEXT, st.integers(0, 65535)),
        TEXT,
    )
)
def test_a_request_arrives_as_it_was(meta: RequestMeta) -> None:
    assert RequestMeta.decode(meta.encode()) == meta
    assert not meta.encode().startswith(b"\0"), "that marks ids before it"


def request(*headers: tuple[bytes, bytes]) -> RequestMeta:
    return RequestMeta("POST", "/a%20b?c=1", "1.1", list(headers), ("127.0.0.1", 5), "https")


def test_headers_for_scripts() -> None:
    meta = request((b"x-MINE", b"caf\xe9"), (b"X-Mine", b"2"), (b"Host", b"h"))
    assert header_dict(meta) == {"X-Mine": "caf\xe9,2", "Host": "h"}
    assert meta.header(b"x-mine") == "caf\xe9"
    assert meta.header(b"missing") == ""


def test_wsgi_environment() -> None:
    environ = wsgi_environ(
        request((b"Host", b"h:81"), (b"X-A", b"\xe9"), (b"x-a", b"2"), (b"X_A", b"3"), (b"content-type", b"t")),
        memoryview(b"body"),
    )
    chosen = ("SERVER_NAME", "SERVER_PORT", "HTTP_X_A", "CONTENT_TYPE", "PATH_INFO", "QUERY_STRING", "CONTENT_LENGTH")
    assert [environ[name] for name in chosen] == ["h", "81", "\xe9,2", "t", "/a b", "c=1", "4"]
    environ = wsgi_environ(request((b"Host", b"h")), memoryview(b""))
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("h", "443")
    environ = wsgi_environ(request(), memoryview(b""))
    assert environ["SERVER_NAME"] == "localhost"
